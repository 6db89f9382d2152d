//! The memory that the control process and the data plane share; nothing in it is believed before it is claimed.
