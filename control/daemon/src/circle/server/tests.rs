use super::group_of;

#[test]
fn a_group_is_found_by_its_whole_name() {
    let table = "root:x:0:\nringmesher:x:5:\nringmesh:x:998:ann,bob\nbroken\nringmesh2:x:7:\n";
    assert_eq!(group_of(table, "ringmesh"), Some(998));
    assert_eq!(group_of(table, "ringmesh3"), None);
    assert_eq!(group_of("ringmesh:x:many:\n", "ringmesh"), None);
    assert_eq!(group_of("", "ringmesh"), None);
}
