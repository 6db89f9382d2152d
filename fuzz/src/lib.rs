//! What fuzz targets need to make and to judge their inputs: packets written from the RFCs and without the code
//! under test, and a pair of devices.

pub mod packets;
pub mod pair;
