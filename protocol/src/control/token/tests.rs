#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

/// Computed by Python's hmac and hashlib; stands in docs/CONTROL-API.md too.
const TEXT: &str = "torchat-token:cron:aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq";
const CLIENT_NONCE: &str = "AAECAwQFBgcICQoLDA0ODxAR";
const SERVER_NONCE: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";
const HERE: Exchange<'static> =
    Exchange { client_nonce: CLIENT_NONCE, server_nonce: SERVER_NONCE, address: "127.0.0.1:8000" };

fn token() -> Token {
    Token::new("cron", std::array::from_fn(|n| u8::try_from(n).unwrap())).unwrap()
}

#[test]
fn the_vector_of_the_documentation() {
    let token = token();
    assert_eq!(*token.to_text(), TEXT);
    assert_eq!(TEXT.parse(), Ok(token.clone()));
    assert_eq!(nonce(&std::array::from_fn::<u8, 18, _>(|n| u8::try_from(n).unwrap())), CLIENT_NONCE);
    assert_eq!(nonce(&std::array::from_fn::<u8, 32, _>(|n| u8::try_from(32 + n).unwrap())), SERVER_NONCE);
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let verifier = token.verifier();
    assert_eq!(hex(&*token.client_key()), "cf244c40b3e997a54e1429d46cdf854bbaab30eba05d83fc6c2f48079232fe9e");
    assert_eq!(hex(&verifier.stored_key), "9bb4ec04e43fe0fada1256bb24ef29dbf6fa409e0b17b3c76f398b1bcffacc20");
    assert_eq!(hex(&verifier.server_key), "fb41dd73b917583af8d580bd520d95d269e7f4936f723f84b768fa169e992329");
    let proof = token.client_proof(&HERE);
    assert_eq!(proof.to_string(), "XZ2Zk4FKz6tKZDsk5g_sK7EHsSHb6giedoRuJ4XDNoE");
    let answer = verifier.check("cron", &HERE, &proof).unwrap();
    assert_eq!(answer.to_string(), "RpeGWwY8vXB9mwbnkH2pBlmkMIrN9d9iilpO_RNR24s");
    assert!(token.accepts(&HERE, &answer));
}

#[test]
fn a_token_has_one_spelling() {
    for bad in [
        "",
        "torchat-token:",
        "torchat-token:cron",
        &TEXT[14..],
        &TEXT.to_uppercase(),
        &TEXT.replace("aaaq", "AAAQ"),
        &TEXT.replace("cron", ""),
        &TEXT.replace("cron", "c ron"),
        &TEXT.replace("cron", "a:b"),
        &TEXT.replace("cron", "\u{fc}"),
        &TEXT.replace("cron", &"x".repeat(65)),
        &format!("{TEXT}a"),
        &format!("{TEXT}="),
        &format!(" {TEXT}"),
        &TEXT[..TEXT.len() - 1],
        // 52 characters hold 260 bits: the last four must not be set.
        &format!("{}r", &TEXT[..TEXT.len() - 1]),
    ] {
        assert!(bad.parse::<Token>().is_err(), "{bad:?}");
    }
    assert!(TEXT.replace("cron", &"x".repeat(64)).parse::<Token>().is_ok());
    assert!(TEXT.replace("cron", "a.b_c-9").parse::<Token>().is_ok());
}

#[test]
fn nothing_that_is_printed_by_chance_shows_a_secret() {
    let token = token();
    let shown = format!("{token:?} {:?} {:?}", token.verifier(), token.client_proof(&HERE));
    assert_eq!(shown, "Token(\"cron\", ..) Verifier(..) Proof(..)");
}

#[test]
fn nonces_are_long_enough_and_have_one_spelling() {
    assert!(check_client_nonce(CLIENT_NONCE).is_ok());
    assert!(check_client_nonce(&nonce(&[7; 64])).is_ok());
    for bad in ["", &nonce(&[7; 17]), &nonce(&[7; 65]), "AAECAwQFBgcICQoLDA0ODxA=", "AAECAwQFBgcICQoLDA0ODx+/", "x x"] {
        assert_eq!(check_client_nonce(bad), Err(TokenError::Nonce), "{bad:?}");
    }
    // 19 bytes leave four bits over in the last character.
    let nineteen = nonce(&[0; 19]);
    assert!(check_client_nonce(&nineteen).is_ok());
    assert!(check_client_nonce(&format!("{}B", &nineteen[..nineteen.len() - 1])).is_err());
}

#[test]
fn every_flipped_bit_is_refused() {
    let (token, verifier) = (token(), token().verifier());
    let (client, server) =
        (token.client_proof(&HERE), verifier.check("cron", &HERE, &token.client_proof(&HERE)).unwrap());
    for bit in 0..256 {
        let flipped = |proof: Proof| {
            let mut proof = proof;
            proof.0[bit / 8] ^= 1 << (bit % 8);
            proof
        };
        assert!(verifier.check("cron", &HERE, &flipped(client)).is_none(), "bit {bit} of the client's proof");
        assert!(!token.accepts(&HERE, &flipped(server)), "bit {bit} of the daemon's proof");
        let mut secret: [u8; 32] = std::array::from_fn(|n| u8::try_from(n).unwrap());
        secret[bit / 8] ^= 1 << (bit % 8);
        let other = Token::new("cron", secret).unwrap();
        assert!(verifier.check("cron", &HERE, &other.client_proof(&HERE)).is_none(), "bit {bit} of the secret");
    }
}

#[test]
fn a_proof_is_good_for_one_exchange_only() {
    let (token, verifier) = (token(), token().verifier());
    let client = token.client_proof(&HERE);
    let server = verifier.check("cron", &HERE, &client).unwrap();
    for (what, there) in [
        ("replayed", Exchange { server_nonce: "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj9", ..HERE }),
        ("with another nonce of the client's", Exchange { client_nonce: "AAECAwQFBgcICQoLDA0ODxAS", ..HERE }),
        ("relayed from another port", Exchange { address: "127.0.0.1:8001", ..HERE }),
        ("relayed to the socket", Exchange { address: UNIX, ..HERE }),
        ("with nonces changed", Exchange { client_nonce: SERVER_NONCE, server_nonce: CLIENT_NONCE, ..HERE }),
    ] {
        assert!(verifier.check("cron", &there, &client).is_none(), "{what}");
        assert!(!token.accepts(&there, &server), "{what}");
    }
    assert!(verifier.check("cron2", &HERE, &client).is_none(), "under another name");
    // Without lengths these two would be the same bytes.
    let moved = Exchange { client_nonce: &CLIENT_NONCE[1..], ..HERE };
    assert_ne!(moved.message("cronA"), HERE.message("cron"));
    assert!(verifier.check("cronA", &moved, &client).is_none());
}

#[test]
fn a_reflected_proof_proves_nothing() {
    let (token, verifier) = (token(), token().verifier());
    let client = token.client_proof(&HERE);
    let server = verifier.check("cron", &HERE, &client).unwrap();
    assert!(verifier.check("cron", &HERE, &server).is_none());
    assert!(!token.accepts(&HERE, &client));
}

#[test]
fn a_stolen_table_cannot_log_in() {
    let stolen = token().verifier();
    let message = HERE.message("cron");
    let xor = |a: [u8; 32], b: [u8; 32]| std::array::from_fn(|n| a[n] ^ b[n]);
    let signature = mac(&stolen.stored_key, &message);
    for (what, guess) in [
        ("stored_key as client_key", xor(stolen.stored_key, signature)),
        ("server_key as client_key", xor(stolen.server_key, signature)),
        ("the signature alone", signature),
        ("the daemon's own proof", mac(&stolen.server_key, &message)),
        ("stored_key", stolen.stored_key),
        ("server_key", stolen.server_key),
        ("nothing", [0; 32]),
    ] {
        assert!(stolen.check("cron", &HERE, &Proof(guess)).is_none(), "{what}");
    }
    for key in [stolen.stored_key, stolen.server_key] {
        let thief = Token::new("cron", key).unwrap();
        assert!(stolen.check("cron", &HERE, &thief.client_proof(&HERE)).is_none());
    }
}

#[test]
fn nobody_can_log_in_under_a_name_that_does_not_exist() {
    let secret = [9; 32];
    let nobody = Verifier::of_nobody(&secret, "cron");
    assert_eq!(nobody, Verifier::of_nobody(&secret, "cron"), "the same name answers the same");
    assert_ne!(nobody.stored_key, Verifier::of_nobody(&secret, "cronx").stored_key);
    assert_ne!(nobody.stored_key, Verifier::of_nobody(&[8; 32], "cron").stored_key);
    assert!(nobody.check("cron", &HERE, &token().client_proof(&HERE)).is_none());
}

proptest! {
    #[test]
    fn whoever_has_the_token_is_believed(
        secret: [u8; 32],
        name in "[A-Za-z0-9._-]{1,64}",
        client in prop::collection::vec(any::<u8>(), 18..=64),
        server: [u8; 32],
        port: u16,
    ) {
        let token = Token::new(&name, secret).unwrap();
        prop_assert_eq!(token.to_text().parse::<Token>().unwrap(), token.clone());
        let (client, server) = (nonce(&client), nonce(&server));
        prop_assert!(check_client_nonce(&client).is_ok());
        let address = tcp_address(([127, 0, 0, 1], port).into());
        let exchange = Exchange { client_nonce: &client, server_nonce: &server, address: &address };
        let proof: Proof = token.client_proof(&exchange).to_string().parse().unwrap();
        let answer = token.verifier().check(&name, &exchange, &proof);
        prop_assert!(answer.is_some_and(|answer| token.accepts(&exchange, &answer)));
    }

    #[test]
    fn no_text_breaks_the_readers(text in ".{0,120}") {
        let _ = text.parse::<Token>();
        let _ = text.parse::<Proof>();
        let _ = check_client_nonce(&text);
    }
}
