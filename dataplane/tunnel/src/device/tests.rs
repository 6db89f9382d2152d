mod attacks;
mod changes;
mod handshakes;
mod sim;
mod timing;
