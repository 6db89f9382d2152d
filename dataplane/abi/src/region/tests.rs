use super::*;
use crate::sync::Ordering;

const LEN: usize = 8_192;

fn unsealed() -> OwnedFd {
    let fd =
        rustix::fs::memfd_create(c"test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("memfd");
    rustix::fs::ftruncate(&fd, LEN as u64).expect("truncate");
    fd
}

#[test]
fn two_mappings_see_each_other() {
    let fd = create_sealed(LEN).expect("memfd");
    let (one, other) = (Region::map(&fd, LEN).expect("map"), Region::map(&fd, LEN).expect("map"));
    let last = LEN - size_of::<AtomicU64>();
    one.view::<AtomicU64>(last).store(42, Ordering::Relaxed);
    assert_eq!(other.view::<AtomicU64>(last).load(Ordering::Relaxed), 42);
}

#[test]
fn a_file_that_could_shrink_is_not_mapped() {
    let fd = unsealed();
    assert_eq!(Region::map(&fd, LEN).err(), Some(Refused::NotSealed));
    rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW).expect("seal");
    assert_eq!(
        Region::map(&fd, LEN).err(),
        Some(Refused::NotSealed),
        "further seals could still stop writing"
    );
    rustix::fs::fcntl_add_seals(&fd, SealFlags::SEAL).expect("seal");
    assert!(Region::map(&fd, LEN).is_ok());
}

#[test]
fn what_is_no_memfd_is_not_mapped() {
    let null = std::fs::File::open("/dev/null").expect("null device");
    assert_eq!(Region::map(&null, LEN).err(), Some(Refused::NotSealed));
}

#[test]
fn a_file_that_is_too_short_is_not_mapped() {
    let fd = create_sealed(LEN).expect("memfd");
    for claimed in [0, LEN + 64, usize::MAX & !63] {
        let refusal = Refused::Size { claimed: claimed as u64, actual: LEN as u64 };
        assert_eq!(Region::map(&fd, claimed).err(), Some(refusal));
    }
}

#[test]
fn seals_hold() {
    let fd = create_sealed(LEN).expect("memfd");
    for len in [0, LEN as u64 * 2] {
        assert_eq!(rustix::fs::ftruncate(&fd, len), Err(Errno::PERM));
    }
}

#[test]
#[should_panic(expected = "larger than its region")]
fn a_view_beyond_the_end_is_a_bug_here() {
    let region = Region::heap(64);
    let _ = region.views::<AtomicU64>(8, 8);
}

#[test]
fn heap_regions_start_as_zeros() {
    let region = Region::heap(130);
    assert!(region.views::<AtomicU64>(0, 24).iter().all(|word| word.load(Ordering::Relaxed) == 0));
}
