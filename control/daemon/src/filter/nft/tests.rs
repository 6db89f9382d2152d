//! What is told of nft's errors, and what becomes of programs that do not behave.

use super::*;

#[test]
fn an_error_is_told_in_one_line() {
    for (said, expect) in [
        ("/dev/stdin:3:1-5: Error: syntax error\nlist x\n^^^\n", "3:1-5: Error: syntax error"),
        ("\n\n  Operation not permitted \n", "Operation not permitted"),
        ("bad \x1b[31mred\x07 text", "bad [31mred text"),
        ("", "nothing"),
    ] {
        assert_eq!(first_line(said), expect);
    }
    assert_eq!(first_line(&"x".repeat(1000)).len(), ERROR_CHARS_MAX);
}

#[test]
fn every_problem_names_nft_and_what_to_do() {
    let timeout = FilterProblem::Run(io::ErrorKind::TimedOut.into());
    for problem in [FilterProblem::Missing, timeout, FilterProblem::Refused("no".into())] {
        let text = problem.to_string();
        assert!(text.contains("nft") && !text.contains('\n'), "{text}");
    }
    assert!(FilterProblem::Missing.to_string().contains("install"));
}

#[tokio::test]
async fn a_long_question_and_a_long_answer_pass_each_other() {
    let question = "0123456789abcdef\n".repeat(100_000);
    let child = spawn("cat", &[]).expect("cat");
    let (ok, said, errors) = talk(child, &question).await.expect("talks");
    assert!(ok && said == question && errors.is_empty());
    let child = spawn("false", &[]).expect("false");
    let (ok, said, _) = talk(child, &question).await.expect("ends without reading");
    assert!(!ok && said.is_empty());
}
