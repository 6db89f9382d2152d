use std::io::ErrorKind;

use ringmesh_api::doctor::Verdict;

use super::*;

#[test]
fn each_finding_has_its_sentence() {
    let works: Result<(), String> = Ok(());
    let lacks: Result<(), String> = Err("IORING_OP_READ_MULTISHOT".to_owned());
    let (bad_nft, no_nft) = (Ok((false, "Operation not supported".to_owned())), Err(ErrorKind::NotFound));
    let table = [
        (root(true), Verdict::Ok, "this is root"),
        (root(false), Verdict::Warning, "not root"),
        (io_uring(None, &works), Verdict::Ok, "works"),
        (io_uring(Some("0\n"), &works), Verdict::Ok, "works"),
        (io_uring(Some("1\n"), &works), Verdict::Ok, "works"),
        (io_uring(Some("2\n"), &works), Verdict::Problem, "switched off"),
        (io_uring(Some("0\n"), &lacks), Verdict::Problem, "IORING_OP_READ_MULTISHOT"),
        (judge_nftables(&Ok((true, String::new())), true), Verdict::Ok, "nft works"),
        (judge_nftables(&bad_nft, true), Verdict::Problem, "Operation not supported"),
        (judge_nftables(&bad_nft, false), Verdict::Warning, "only root"),
        (judge_nftables(&no_nft, true), Verdict::Problem, "nft is missing"),
        (judge_nftables(&Err(ErrorKind::PermissionDenied), true), Verdict::Problem, "cannot be started"),
        (locked_memory(8 << 20, true), Verdict::Ok, "root is not bound"),
        (locked_memory(u64::MAX, false), Verdict::Ok, "high enough"),
        (locked_memory(8 << 20, false), Verdict::Warning, "only 8192 KiB"),
        (buffers(Some(212_992), Some(212_992), true), Verdict::Ok, "not bound"),
        (buffers(Some(8 << 20), Some(4 << 20), false), Verdict::Ok, "high enough"),
        (buffers(None, None, false), Verdict::Ok, "high enough"),
        (buffers(Some(8 << 20), Some(212_992), false), Verdict::Warning, "below 4 MiB"),
    ];
    for (check, verdict, sentence) in table {
        assert_eq!(check.verdict, verdict, "{check:?}");
        assert!(check.sentence.contains(sentence), "{check:?}");
        assert_eq!(check.fix.is_none(), verdict == Verdict::Ok, "{check:?}");
    }
}

#[test]
fn limits_and_capabilities_are_read_from_the_kernels_tables() {
    let limits = "Limit                     Soft Limit           Hard Limit           Units\nMax locked memory         8388608              unlimited            bytes\n";
    assert_eq!(locked_limit(limits), 8 << 20);
    assert_eq!(locked_limit(&limits.replace("8388608", "unlimited")), u64::MAX);
    assert_eq!(locked_limit("garbage"), u64::MAX);
    let status = "Name:\tx\nCapEff:\t0000000000001000\n";
    assert!(has_capability(status, CAP_NET_ADMIN) && !has_capability(status, CAP_IPC_LOCK));
    assert!(!has_capability("CapEff:\tzz", 0) && !has_capability("", 0));
}
