//! The error numbers of the userspace interface.

/// An error of the userspace interface, by the kernel's number.
///
/// On the wire the number is negative, as wireguard-go writes it: `wg` hands `-n` to `strerror`, so only a
/// negative one makes it say "Invalid argument" instead of "Unknown error -22".
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub struct Errno(i32);

impl Errno {
    /// A value does not parse, a key is unknown, or a bound is broken.
    pub const INVALID: Self = Self(libc::EINVAL);
    /// A line is no `key=value`, or the operation is neither `get=1` nor `set=1`.
    pub const PROTOCOL: Self = Self(libc::EPROTO);
    /// Another socket holds the wanted port.
    pub const ADDRESS_IN_USE: Self = Self(libc::EADDRINUSE);
    /// A name in the request (an interface behind `%`) does not exist.
    pub const NOT_FOUND: Self = Self(libc::ENOENT);
    /// The request, or the device with it, would be larger than its bound.
    pub const TOO_BIG: Self = Self(libc::E2BIG);
    /// The data plane refused a value or broke off.
    pub const IO: Self = Self(libc::EIO);
    /// The process is ending.
    pub const GOING: Self = Self(libc::ESHUTDOWN);

    /// The error number of `error`, or EIO where it carries none.
    pub fn of(error: &std::io::Error) -> Self {
        Self(error.raw_os_error().filter(|number| *number > 0).unwrap_or(libc::EIO))
    }

    /// The positive number, as `errno.h` has it.
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

/// The line and the empty line that end every answer.
pub fn trailer(result: Result<(), Errno>) -> String {
    format!("errno={}\n\n", result.map_or_else(|errno| -errno.number(), |()| 0))
}
