//! Manifests say nothing that the workspace says: one version of each crate, one set of lints.

/// What every package takes from the workspace.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "publish"];

/// Complaints about one member's `Cargo.toml`.
pub fn check(path: &str, text: &str) -> Vec<String> {
    let mut section = String::new();
    let mut complaints = Vec::new();
    let mut inherited = Vec::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
            if section.contains("dependencies.") {
                complaints.push(format!("{path}: [{section}]: write it as one line in its section"));
            }
        } else if let Some((key, value)) = line.split_once('=') {
            let (key, value) = (key.trim(), value.trim());
            if is_dependencies(&section) && !is_inherited(key, value) {
                complaints.push(format!(
                    "{path}: `{key}` in [{section}] does not take its version from the workspace"
                ));
            }
            if is_inherited(key, value) {
                inherited.push(format!("{section}.{}", key.trim_end_matches(".workspace")));
            }
        }
    }
    let wanted = INHERITED.iter().map(|key| format!("package.{key}")).chain(["lints.workspace".to_owned()]);
    for key in wanted {
        let taken = inherited.contains(&key) || (key == "lints.workspace" && has_lints(text));
        if !taken {
            complaints.push(format!("{path}: {key} is not the workspace's"));
        }
    }
    complaints
}

fn has_lints(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    lines.next() == Some("workspace = true")
}

fn is_dependencies(section: &str) -> bool {
    section.ends_with("dependencies")
}

fn is_inherited(key: &str, value: &str) -> bool {
    (key.ends_with(".workspace") && value == "true") || value.replace(' ', "").contains("workspace=true")
}
