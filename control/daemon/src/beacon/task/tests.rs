use ringmesh_mesh::identity::SigningKey;

use super::*;

/// Answers and pushes take different ways through the beacon: the news of what has grown may overtake a page that was made before.
#[tokio::test]
async fn what_has_grown_before_a_page_comes_is_asked_for() {
    let identity = Arc::new(SigningKey::from_seed(&[1; 32]));
    let entry = HowToEnter::Member { founder: identity.device(), proof: vec![] };
    let url: BeaconUrl = "beacon://192.0.2.1:3478".parse().expect("a beacon");
    let config = BeaconConfig { url, entry, cursor: Cursor::default() };
    let (heard, mut told) = mpsc::channel(4);
    let mut task = Task::new(config, Arc::clone(&identity), CircleId([7; 32]), heard);
    let beacon = identity.beacon();
    let mut now = Now { beacon, admin: false, log: 0, roll: [0; 32], end: 5, fetching: true };
    let fetch = Wish { what: "fetch", request: Request::Fetch { from: 0 } };
    assert!(put(&mut task, vec![fetch]).await.is_ok() && task.queue.next().is_some());
    let page = Page { entries: vec![], next: 5, end: 5 };
    for message in [ToDevice::Push(Push::Grown { end: 6 }), ToDevice::Answer(Answer::Page(page))] {
        let heard = hear(&mut task, &mut now, &message.to_bytes()).await;
        assert!(heard.is_ok_and(|flow| flow.is_continue()));
    }
    assert_eq!((now.end, now.fetching, task.cursor.position), (6, false, 5), "one more is to be fetched");
    let (_, told) = told.try_recv().expect("the page");
    assert!(matches!(told, Heard::Records { all: false, .. }));
}
