//! Our tables among others.

use super::*;

#[test]
fn only_tables_of_circles_are_ours() {
    let tables = "table inet filter\ntable inet ringmesh-home\ntable ip ringmesh-ip\n\
                  table inet ringmesh-\ntable inet ringmesh-NO\ntable inet xringmesh-a\n\ttable inet ringmesh-my-friends\n";
    let circles: Vec<String> = circles_in(tables).iter().map(ToString::to_string).collect();
    assert_eq!(circles, ["home", "my-friends"]);
    assert_eq!(circles_in(""), []);
}
