//! A laboratory of network namespaces, traffic and honest measurements; what demo, bench and the interop tests run in.
