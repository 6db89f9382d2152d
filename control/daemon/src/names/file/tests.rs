use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const BEFORE: &str = "# the network's\nnameserver 192.168.1.1\nsearch lan\n";

/// Directories that go when the test does.
struct Place {
    root: PathBuf,
}

impl Place {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ringmesh-file-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let root = std::env::temp_dir().join(name);
        std::fs::create_dir_all(root.join("state")).expect("a directory");
        std::fs::create_dir_all(root.join("etc")).expect("a directory");
        Self { root }
    }

    fn files(&self) -> Files {
        Files::new(self.root.join("etc/resolv.conf"), &self.root.join("state"))
    }

    fn left(&self) -> Vec<String> {
        let names = |dir: &str| {
            let entries = std::fs::read_dir(self.root.join(dir)).expect("a directory");
            entries
                .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };
        [names("etc"), names("state")].concat()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

fn ours(files: &Files) -> String {
    resolv_conf::ours(&files.settings_before(), "100.71.3.4".parse().expect("an address"), "home.internal")
}

fn text(files: &Files) -> String {
    String::from_utf8(files.content().expect("reads")).expect("text")
}

#[test]
fn a_file_comes_back_as_it_was() {
    let (place, files) = {
        let place = Place::new();
        let files = place.files();
        (place, files)
    };
    std::fs::write(files.target(), BEFORE).expect("writes");
    std::fs::set_permissions(files.target(), Permissions::from_mode(0o640)).expect("sets");
    let ours = ours(&files);
    files.take(&ours).expect("takes");
    assert_eq!((text(&files), files.is_taken()), (ours, true));
    assert_eq!(
        std::fs::metadata(files.target()).expect("is there").mode() & 0o777,
        0o644,
        "everybody reads it"
    );
    assert_eq!(files.settings_before(), resolv_conf::read(BEFORE), "what was there is still known");
    // A newer one of ours does not become what was before.
    let newer = resolv_conf::ours(
        &files.settings_before(),
        "100.71.9.9".parse().expect("an address"),
        "home.internal",
    );
    files.take(&newer).expect("takes");
    assert_eq!(text(&files), newer);
    assert_eq!(files.give_back().expect("gives back"), GivenBack::Restored);
    assert_eq!(text(&files), BEFORE);
    assert_eq!(std::fs::metadata(files.target()).expect("is there").mode() & 0o777, 0o640);
    assert_eq!(place.left(), ["resolv.conf"], "nothing of ours stays");
    assert_eq!(files.give_back().expect("does nothing"), GivenBack::NotTaken);
}

#[test]
fn a_link_comes_back_as_a_link_and_its_target_is_followed_meanwhile() {
    let place = Place::new();
    let files = place.files();
    std::fs::write(place.root.join("state/managed"), BEFORE).expect("writes");
    symlink("../state/managed", files.target()).expect("links");
    files.take(&ours(&files)).expect("takes");
    assert!(files.link().is_none() && files.is_taken());
    assert_eq!(
        std::fs::read_to_string(place.root.join("state/managed")).expect("reads"),
        BEFORE,
        "not through the link"
    );
    std::fs::write(place.root.join("state/managed"), "nameserver 10.0.0.1\n").expect("writes");
    assert_eq!(files.settings_before().servers, ["10.0.0.1"], "its keeper has changed it");
    assert_eq!(files.give_back().expect("gives back"), GivenBack::Restored);
    assert_eq!(files.link().as_deref(), Some("../state/managed"));
}

#[test]
fn where_there_was_nothing_there_is_nothing_again() {
    let place = Place::new();
    let files = place.files();
    files.take(&ours(&files)).expect("takes");
    assert!(files.is_taken());
    assert_eq!(files.settings_before(), Settings::default());
    assert_eq!(files.give_back().expect("gives back"), GivenBack::Restored);
    assert_eq!(place.left(), [""; 0]);
}

#[test]
fn what_somebody_else_wrote_is_never_touched() {
    let place = Place::new();
    let files = place.files();
    std::fs::write(files.target(), BEFORE).expect("writes");
    let ours = ours(&files);
    // Replaced: theirs stays, and our copy is of no use any more.
    files.take(&ours).expect("takes");
    std::fs::write(files.target(), "nameserver 9.9.9.9\n").expect("writes");
    assert_eq!(files.give_back().expect("leaves it"), GivenBack::Replaced);
    assert_eq!((text(&files).as_str(), place.left().len()), ("nameserver 9.9.9.9\n", 1));
    // Edited: it stays, and so does the copy.
    files.take(&ours).expect("takes");
    let edited = format!("{ours}nameserver 9.9.9.9\n");
    std::fs::write(files.target(), &edited).expect("writes");
    assert_eq!(files.give_back().expect("leaves it"), GivenBack::Edited);
    assert_eq!((text(&files), files.has_copy()), (edited, true));
    // The copy is gone: nothing is made up.
    std::fs::write(files.target(), &ours).expect("writes");
    files.forget_copy().expect("forgets");
    assert_eq!(files.give_back().expect("leaves it"), GivenBack::Lost);
    assert_eq!(text(&files), ours);
}

#[test]
fn a_death_at_any_step_ends_well() {
    let place = Place::new();
    let files = place.files();
    std::fs::write(files.target(), BEFORE).expect("writes");
    // After the copy, before taking.
    files.copy_aside().expect("copies");
    assert_eq!(files.give_back().expect("forgets"), GivenBack::NotTaken);
    assert_eq!((text(&files).as_str(), place.left().len()), (BEFORE, 1));
    // While making the new file beside the old one.
    std::fs::write(place.root.join("etc/.resolv.conf.ringmesh"), "half").expect("writes");
    files.take(&ours(&files)).expect("takes");
    // In a mounted file, between emptying and writing.
    std::fs::write(files.target(), "").expect("empties");
    assert_eq!(files.give_back().expect("gives back"), GivenBack::Restored);
    assert_eq!(text(&files), BEFORE);
    // After giving back, before the copy was forgotten.
    files.take(&ours(&files)).expect("takes");
    files.put(&entry(&files.before).expect("reads")).expect("puts");
    assert_eq!(files.give_back().expect("forgets"), GivenBack::NotTaken);
    assert_eq!((text(&files).as_str(), place.left().len()), (BEFORE, 1));
    // The same where there was nothing.
    std::fs::remove_file(files.target()).expect("removes");
    files.copy_aside().expect("copies");
    assert_eq!(files.give_back().expect("forgets"), GivenBack::NotTaken);
    assert_eq!(place.left(), [""; 0]);
}

#[test]
fn what_is_no_file_is_left_alone() {
    let place = Place::new();
    let files = place.files();
    std::fs::create_dir(files.target()).expect("a directory");
    assert!(files.take("# x\n").is_err());
    assert!(files.target().is_dir());
}
