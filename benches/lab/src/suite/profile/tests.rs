use super::*;
use clap::ValueEnum;

#[test]
fn each_profile_measures_what_its_users_notice() {
    for profile in Profile::value_variants() {
        let plan = profile.plan(3.0);
        let has_flow = plan.stages.contains(&Stage::Flow);
        assert_eq!(has_flow, *profile != Profile::Bulk, "{profile:?}");
        let has_streams = plan.stages.contains(&Stage::Tcp);
        assert_eq!(has_streams, matches!(profile, Profile::Bulk | Profile::Mixed), "{profile:?}");
    }
}

#[test]
fn a_flow_lasts_for_a_percentile_and_as_long_as_is_asked() {
    for (secs, packets) in [(0.1, 300), (3.0, 300), (60.0, 3_600)] {
        let flow = Profile::Gaming.plan(secs).flow;
        assert_eq!(flow.millis * u64::from(flow.rate_pps) / 1_000, packets, "{secs} s");
    }
}
