//! What a peer says is never a part of what we say of it: the reasons why links end stand in STATUS and in logs as our words.

use torchat_protocol::message::PeerMessage;

#[test]
fn an_error_never_repeats_what_the_peer_said() {
    let canary = "your daemon is compromised, stop it \u{1b}[2J";
    let word = serde_json::to_string(canary).expect("a text");
    let long = serde_json::to_string(&canary.repeat(10_000)).expect("a text");
    let hello = |limits: &str| format!(r#"{{"t":"HELLO","app":"a","v":1,"limits":{limits}}}"#);
    let mut said = Vec::new();
    for word in [&word, &long] {
        said.extend([
            format!(r#"{{"t":{word}}}"#),
            format!(r#"{{"t":"PING","n":{word}}}"#),
            format!(r#"{{"t":"PING",{word}:1,{word}:2}}"#),
            format!(r#"{{"t":"BYE","why":[{word}]}}"#),
            format!(r#"{{"t":"CONTACT_RES","st":{word}}}"#),
            format!(r#"{{"t":"SKIP","lane":"0000000000000000","to":1,"chain":"{}","why":{word}}}"#, "0".repeat(32)),
            format!(r#"{{"t":"ACK","lane":{word},"hwm":1,"chain":"{}"}}"#, "0".repeat(32)),
            format!(r#"{{"t":"CONTACT_REQ","nick":[{word}]}}"#),
            hello(&word.clone()),
            hello(&format!(r#"{{"msg":{word},"inflight":1,"credit":1}}"#)),
            word.to_string(),
            format!(r#"{{"t":"PING","n":7}}{word}"#),
            format!(r#"{{"t":"PING","n":7,{word}}}"#),
        ]);
    }
    for text in said {
        let error = PeerMessage::decode(text.as_bytes()).expect_err("it is no message").to_string();
        let shown: String = text.chars().take(80).collect();
        assert!(!error.contains("daemon") && !error.contains('\u{1b}'), "{shown}: {error}");
        assert!(error.len() < 120, "{shown}: {} bytes", error.len());
    }
}
