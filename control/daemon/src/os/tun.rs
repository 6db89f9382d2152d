//! The TUN device and its queues.
//!
//! The `tun` crate refuses more than one queue, so the queues are opened here with a few ioctls; address-like
//! settings (the MTU) then go through that crate.
//!
//! **Invariant:** only a device that this call made is ever returned. `IFF_MULTI_QUEUE` alone would silently
//! join an interface that another process already runs, so the first queue asks for it exclusively.
#![allow(unsafe_code)] // ioctl has no safe form; every call is in this file.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use tun::AbstractDevice;

use crate::ifname::IfName;
use crate::problem::{Doing, Problem};

/// Length of the virtio header before every packet, in bytes, as the data plane expects it.
const VNET_HEADER_LEN: libc::c_int = 10;
/// The smallest MTU that carries IPv4 (RFC 791).
pub(crate) const MTU_MIN: u16 = 68;
/// The largest MTU: 65,535 bytes minus what a datagram adds over IPv6 (40 + 8 + 32).
pub(crate) const MTU_MAX: u16 = 65_535 - 80;
/// What fits into 1,500 bytes under IPv6, as every implementation has it.
pub(crate) const MTU_DEFAULT: u16 = 1420;

/// What the device hands over and takes in one piece; the ladder goes from everything to nothing.
const OFFLOAD_LADDER: [libc::c_uint; 4] = [
    libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_USO4 | libc::TUN_F_USO6,
    libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6,
    libc::TUN_F_CSUM,
    0,
];

/// An open TUN device: two queues per worker, one for bulk and one for all else.
#[derive(Debug)]
pub(crate) struct Tun {
    /// The queues, blocking, for io_uring.
    pub(crate) queues: Vec<[OwnedFd; 2]>,
    /// The `TUN_F_*` bits that the kernel took.
    pub(crate) offloads: u32,
}

impl Tun {
    /// Makes the device `name` for so many workers and sets its MTU. The link stays down.
    pub(crate) fn create(name: &IfName, workers: u32, mtu: u16) -> Result<Self, Problem> {
        let first = open_first(name)?;
        let offloads = set_offloads(first.as_fd()).doing("asking the TUN device for segment offload")?;
        let mut device = Self { queues: vec![[first, open_queue(name, 0)?]], offloads };
        for _ in 1..workers {
            device.queues.push([open_queue(name, 0)?, open_queue(name, 0)?]);
        }
        for queue in device.queues.iter().flatten() {
            set_header_len(queue.as_fd()).doing("setting the TUN device's virtio header length")?;
        }
        if let Some([queue, _]) = device.queues.first() {
            set_mtu(name, queue.as_fd(), mtu)?;
        }
        Ok(device)
    }

    /// The device of queues that a running data plane handed back.
    pub(crate) fn adopt(queues: Vec<[OwnedFd; 2]>, offloads: u32) -> Self {
        Self { queues, offloads }
    }

    /// What has become of the device; a queue answers even after a move to another network namespace.
    pub(crate) fn fate(&self) -> Fate {
        let mut request = Request::new(None, 0);
        let Some([queue, _]) = self.queues.first() else { return Fate::Deleted };
        match ioctl(queue.as_fd(), libc::TUNGETIFF, &raw mut request) {
            Ok(()) => Fate::Alive { name: request.name() },
            Err(_) => Fate::Deleted,
        }
    }

    /// Whether the device is in this process's network namespace.
    pub(crate) fn is_here(&self) -> io::Result<bool> {
        let there = rustix::fs::fstat(self.namespace()?)?;
        let here = rustix::fs::stat("/proc/thread-self/ns/net")?;
        Ok((there.st_dev, there.st_ino) == (here.st_dev, here.st_ino))
    }

    /// The network namespace in which the device is now.
    pub(crate) fn namespace(&self) -> io::Result<OwnedFd> {
        let [queue, _] = self.queues.first().ok_or(io::ErrorKind::NotFound)?;
        // SAFETY: TUNGETDEVNETNS takes no argument and returns a new descriptor or -1.
        let fd = unsafe { libc::ioctl(queue.as_raw_fd(), libc::TUNGETDEVNETNS, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made `fd` for us and nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

/// What TUNGETIFF tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// It exists, here or in another namespace, under this name.
    Alive {
        /// Its name now; it may have been renamed.
        name: String,
    },
    /// The link was deleted (EBADFD): the queues are dead for good.
    Deleted,
}

/// After a data plane was killed, the kernel takes its rings apart in the background, and they hold the queues of a device
/// until then; so a name that is taken is asked for again, for a while.
fn open_first(name: &IfName) -> Result<OwnedFd, Problem> {
    for _ in 0..super::udp::LINGERING_TRIES {
        match open_queue(name, libc::IFF_TUN_EXCL) {
            Err(Problem::NameTaken { .. }) => drop(rustix::thread::nanosleep(&super::udp::LINGERING_PAUSE)),
            result => return result,
        }
    }
    open_queue(name, libc::IFF_TUN_EXCL)
}

fn open_queue(name: &IfName, extra: libc::c_int) -> Result<OwnedFd, Problem> {
    // No O_NONBLOCK: with it io_uring skips its poll retry and answers EAGAIN.
    let queue = rustix::fs::open(TUN_PATH, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| Problem::NoTun(no_tun(errno)))?;
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR | libc::IFF_MULTI_QUEUE | extra;
    let mut request = Request::new(Some(name), flags);
    ioctl(queue.as_fd(), libc::TUNSETIFF, &raw mut request).map_err(|error| refused(name, error))?;
    Ok(queue)
}

fn no_tun(errno: rustix::io::Errno) -> String {
    match errno {
        rustix::io::Errno::NOENT => format!(
            "{TUN_PATH} is missing; load the module with `modprobe tun`, or in a container pass `--device {TUN_PATH}`"
        ),
        rustix::io::Errno::NODEV | rustix::io::Errno::NXIO => {
            format!("{TUN_PATH} exists but this kernel has no TUN driver; load it with `modprobe tun`")
        }
        rustix::io::Errno::PERM | rustix::io::Errno::ACCESS => format!(
            "opening {TUN_PATH} is not permitted; run as root, or allow the device in the container's settings"
        ),
        other => format!("cannot open {TUN_PATH}: {}", io::Error::from(other)),
    }
}

fn refused(name: &IfName, error: io::Error) -> Problem {
    match error.raw_os_error() {
        Some(libc::EBUSY | libc::EEXIST | libc::EINVAL) if index_of(name).is_some() => Problem::NameTaken {
            name: name.to_string(),
            by: taken_by(name),
            fix: format!("choose another name or remove it with `ip link delete {name}`"),
        },
        Some(libc::EPERM) => Problem::NotRoot,
        _ => Problem::Os { what: "making the TUN device", error },
    }
}

/// What kind of thing an existing interface is, from what sysfs shows of it.
fn taken_by(name: &IfName) -> String {
    let base = format!("/sys/class/net/{name}");
    if std::path::Path::new(&format!("{base}/tun_flags")).exists() {
        return "another TUN or TAP interface".to_owned();
    }
    let kind = std::fs::read_to_string(format!("{base}/uevent")).unwrap_or_default();
    match kind.lines().find_map(|line| line.strip_prefix("DEVTYPE=")) {
        Some("wireguard") => "an interface of the kernel's WireGuard".to_owned(),
        Some(kind) => format!("an interface of type {kind}"),
        None => "another network interface".to_owned(),
    }
}

/// The number of the interface `name` in this network namespace.
pub(crate) fn index_of(name: &IfName) -> Option<u32> {
    named_index(name.as_str())
}

/// The same for any text; a name that is too long or unknown has none.
pub(crate) fn named_index(name: &str) -> Option<u32> {
    let name = std::ffi::CString::new(name).ok()?;
    // SAFETY: `name` is a string that ends with a zero and lives through the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

fn set_offloads(queue: BorrowedFd<'_>) -> io::Result<u32> {
    let mut last = io::Error::from_raw_os_error(libc::EINVAL);
    for offloads in OFFLOAD_LADDER {
        // SAFETY: TUNSETOFFLOAD takes its bits by value.
        let done =
            unsafe { libc::ioctl(queue.as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(offloads)) };
        if done == 0 {
            return Ok(offloads);
        }
        last = io::Error::last_os_error();
    }
    Err(last)
}

fn set_header_len(queue: BorrowedFd<'_>) -> io::Result<()> {
    let mut len = VNET_HEADER_LEN;
    ioctl(queue, libc::TUNSETVNETHDRSZ, &raw mut len)
}

fn set_mtu(name: &IfName, queue: BorrowedFd<'_>, mtu: u16) -> Result<(), Problem> {
    let mut config = tun::Configuration::default();
    config.tun_name(name.as_str()).raw_fd(queue.as_raw_fd()).close_fd_on_drop(false);
    tun::create(&config)
        .and_then(|mut device| device.set_mtu(mtu))
        .map_err(|error| Problem::Os { what: "setting the MTU", error: io::Error::other(error) })
}

/// `struct ifreq` with the flags of TUNSETIFF; the rest of the union is padding here.
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    flags: libc::c_short,
    rest: [u8; 22],
}
const _: () = assert!(size_of::<Request>() == size_of::<libc::ifreq>());

impl Request {
    fn new(name: Option<&IfName>, flags: libc::c_int) -> Self {
        let mut request = Self { name: [0; libc::IFNAMSIZ], flags: flags as libc::c_short, rest: [0; 22] };
        if let Some(name) = name {
            // IfName has at most 15 bytes, so a final zero always remains.
            request.name[..name.as_str().len()].copy_from_slice(name.as_str().as_bytes());
        }
        request
    }

    fn name(&self) -> String {
        let len = self.name.iter().position(|byte| *byte == 0).unwrap_or(self.name.len());
        String::from_utf8_lossy(&self.name[..len]).into_owned()
    }
}

fn ioctl<T>(fd: BorrowedFd<'_>, request: libc::Ioctl, argument: *mut T) -> io::Result<()> {
    // SAFETY:
    // - `fd` is open for the length of the borrow;
    // - every caller passes a pointer to a live value of the type that its request reads and writes.
    if unsafe { libc::ioctl(fd.as_raw_fd(), request, argument) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

const TUN_PATH: &str = "/dev/net/tun";
