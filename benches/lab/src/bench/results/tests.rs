use super::*;

fn entry(kind: Kind, label: &str, rounds: &[(f64, f64)]) -> Entry {
    let setting = Setting { label: label.to_owned(), ..Setting::default() };
    let values = |(tcp, cpu): &(f64, f64)| Ok([(Metric::TcpUp, *tcp), (Metric::CpuPerGb, *cpu)].into());
    Entry { kind, setting, version: "1".to_owned(), rounds: rounds.iter().map(values).collect() }
}

fn results() -> Results {
    Results::new(
        Host::here(),
        true,
        vec![
            entry(Kind::Ringmesh, "", &[(4e9, 1.0), (5e9, 1.2), (4.2e9, 1.1)]),
            entry(Kind::BoringtunCli, "-t 4", &[(1e9, 6.0), (1e9, 6.0), (1e9, 6.0)]),
            entry(Kind::BoringtunCli, "-t 1", &[(2e9, 8.0), (2e9, 8.0), (2e9, 8.0)]),
            entry(Kind::Gotatun, "", &[(6e9, 5.0), (6e9, 5.0), (6e9, 5.0)]),
        ],
    )
}

#[test]
fn each_number_is_compared_with_the_setting_that_is_best_at_it() {
    let results = results();
    assert_eq!(results.others(), [Kind::BoringtunCli, Kind::Gotatun]);
    let best = |metric| results.best(Kind::BoringtunCli, metric).map(Entry::label);
    assert_eq!(best(Metric::TcpUp).as_deref(), Some("boringtun-cli -t 1"), "more is better");
    assert_eq!(best(Metric::CpuPerGb).as_deref(), Some("boringtun-cli -t 4"), "less is better");
    assert_eq!(best(Metric::Memory), None, "not measured");
    let ratio = results.entries[0].ratio(&results.entries[2], Metric::TcpUp).expect("a ratio");
    assert_eq!(ratio, Ratio { median: 2.1, min: 2.0, max: 2.5 });
}

#[test]
fn losses_are_told_in_either_direction() {
    let mut results = results();
    let behind: Vec<(Metric, Kind)> =
        results.losses().into_iter().map(|(metric, kind, _)| (metric, kind)).collect();
    assert_eq!(behind, [(Metric::TcpUp, Kind::Gotatun)]);
    results.entries[0] = entry(Kind::Ringmesh, "", &[(9e9, 7.0)]);
    let behind: Vec<(Metric, Kind)> =
        results.losses().into_iter().map(|(metric, kind, _)| (metric, kind)).collect();
    assert_eq!(behind, [(Metric::CpuPerGb, Kind::BoringtunCli), (Metric::CpuPerGb, Kind::Gotatun)]);
    assert!(
        results.text().contains("ringmesh is behind gotatun: processor seconds per GB"),
        "{}",
        results.text()
    );
}

#[test]
fn a_failed_round_is_told_and_leaves_the_others_in_step() {
    let mut results = results();
    results.entries[2].rounds[0] = Err("no packet crossed".to_owned());
    assert!(results.is_complete(), "ours did not fail");
    let ratio = results.entries[0].ratio(&results.entries[2], Metric::TcpUp).expect("two rounds in common");
    assert!((ratio.median - 2.3).abs() < 1e-9, "{ratio:?}");
    assert!(results.text().contains("boringtun-cli -t 1 failed in a round: no packet crossed"));
    results.entries[0].rounds[1] = Err("cut".to_owned());
    assert!(!results.is_complete());
}

#[test]
fn what_was_done_to_a_tunnel_is_shown_and_is_no_loss() {
    let mut results = results();
    for (entry, sent) in results.entries.iter_mut().zip([1e5, 2e5, 3e5, 4e5]) {
        entry.rounds = vec![Ok([(Metric::FloodSent, sent), (Metric::UdpFlooded(64), 0.5)].into())];
    }
    assert_eq!(results.losses(), []);
    let text = results.text();
    let row = text.lines().find(|line| line.starts_with("that flood, sent into")).expect("a row");
    assert!(row.contains("100k/s") && !row.contains("more"), "{row}");
    assert!(!text.contains("segment offload"), "{text}");
    results.offloads = false;
    assert!(results.text().contains("a wire without segment offload"));
}

#[test]
fn machines_get_every_round() {
    let text = serde_json::to_string(&results()).expect("serializes");
    let value: serde_json::Value = serde_json::from_str(&text).expect("parses");
    assert_eq!(value["entries"][0]["rounds"][1]["Ok"]["tcp_up_bits_per_sec"], 5e9);
    assert_eq!(value["entries"][0]["summaries"]["cpu_secs_per_gb"]["median"], 1.1);
    assert_eq!(value["ratios"]["boringtun-cli"]["tcp_up_bits_per_sec"][0], "boringtun-cli -t 1");
    assert_eq!(value["ratios"]["boringtun-cli"]["tcp_up_bits_per_sec"][1]["median"], 2.1);
}
