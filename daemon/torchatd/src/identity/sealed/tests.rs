#![allow(clippy::unwrap_used)]
use super::*;
use data_encoding::HEXLOWER;
use std::time::Instant;

/// Next to nothing, for many tries.
const CHEAP: Cost = Cost { memory_kib: 32, passes: 1, lanes: 1 };
const PASSPHRASE: &str = "correct horse bättery staple";

/// Made by other programs: OpenSSL's Argon2id and ChaCha20-Poly1305, with an HChaCha20 that yields the vector of
/// draft-irtf-cfrg-xchacha 2.2.1.
const GOLDEN: &str = "89746f7263686174206578706f72740a01000000200000000100000001101112131415161718191a1b1c1d1e1f40414243\
                      4445464748494a4b4c4d4e4f5051525354555657e04d60f721be5736f7fc4b3ec7c7b0860bc49c89235590cfd0bfa98e\
                      df50021876a58b53327b7891c5c56ef05906c6a260cd55de";
/// The same with the parameters of new files.
const GOLDEN_DEAR: &str = "89746f7263686174206578706f72740a01000100000000000300000004101112131415161718191a1b1c1d1e1f4041\
                           42434445464748494a4b4c4d4e4f50515253545556578ff87cca9ca61c4b3476c4c3e3877e4843393b0b751fa82dca\
                           06fefaf5e9cb92bb2ddffc16180b10779ef091373075718131f26e";

fn carried() -> Carried {
    Carried { onion: [0x11; 32], epoch: 1_790_000_000 }
}

fn fresh() -> [u8; FRESH] {
    let bytes: Vec<u8> = (0x10..0x20).chain(0x40..0x58).collect();
    bytes.try_into().unwrap()
}

fn golden() -> Vec<u8> {
    HEXLOWER.decode(GOLDEN.as_bytes()).unwrap()
}

fn open(file: &[u8], passphrase: &str) -> Result<Carried, SealError> {
    Sealed::parse(file)?.open(passphrase.as_bytes())
}

/// The golden file with other parameters.
fn with_cost(memory_kib: u32, passes: u32, lanes: u32) -> Vec<u8> {
    let mut file = golden();
    for (at, number) in [(17, memory_kib), (21, passes), (25, lanes)] {
        file[at..at + 4].copy_from_slice(&number.to_be_bytes());
    }
    file
}

/// The file format is frozen: a daemon of a later version must read it.
#[test]
fn the_format_is_pinned() {
    for (hex, cost) in [(GOLDEN, CHEAP), (GOLDEN_DEAR, COST)] {
        let file = seal(&carried(), PASSPHRASE.as_bytes(), cost, &fresh()).unwrap();
        assert_eq!(HEXLOWER.encode(&file), hex);
        assert_eq!(file.len(), LEN);
        assert_eq!(open(&file, PASSPHRASE), Ok(carried()));
    }
}

#[test]
fn every_cut_is_told() {
    let file = golden();
    for len in 0..LEN {
        assert_eq!(open(&file[..len], PASSPHRASE), Err(SealError::Short(len)));
    }
    let mut long = file;
    long.push(0);
    assert_eq!(open(&long, PASSPHRASE), Err(SealError::Long));
}

#[test]
fn every_flipped_bit_is_refused() {
    let file = golden();
    for at in 0..LEN {
        for bit in 0..8 {
            let mut flipped = file.clone();
            flipped[at] ^= 1 << bit;
            let error = open(&flipped, PASSPHRASE).unwrap_err();
            let fits = match at {
                0..16 => error == SealError::Magic,
                16 => matches!(error, SealError::Format(_) | SealError::Magic),
                17..29 => matches!(error, SealError::Cost(_) | SealError::Sealed),
                _ => error == SealError::Sealed,
            };
            assert!(fits, "byte {at}, bit {bit}: {error}");
        }
    }
}

#[test]
fn another_passphrase_does_not_open_it() {
    for wrong in ["", "correct horse battery staple", "Correct horse bättery staple", "correct horse bättery staple "]
    {
        let error = open(&golden(), wrong).unwrap_err();
        assert_eq!(error, SealError::Sealed);
        assert!(error.to_string().contains("the passphrase is wrong or the file is damaged"));
    }
}

#[test]
fn other_files_and_later_formats_are_told_apart() {
    for other in [&b"torchat identity v2\n"[..], b"\x89PNG\r\n\x1a\n", b"\n", &[0; LEN]] {
        assert_eq!(open(other, PASSPHRASE), Err(SealError::Magic));
    }
    let mut later = golden();
    later[16] = 2;
    assert_eq!(open(&later, PASSPHRASE), Err(SealError::Format(2)));
    later.extend([0; 1000]);
    assert_eq!(open(&later, PASSPHRASE), Err(SealError::Format(2)), "its length is its own affair");
    // As a transfer in text mode leaves it.
    let mut text = golden();
    text.splice(15..16, *b"\r\n");
    assert_eq!(open(&text, PASSPHRASE), Err(SealError::Magic));
}

/// The numbers are anybody's until the tag is checked, and it cannot be checked before they are used.
#[test]
fn hostile_parameters_cost_nothing() {
    let begun = Instant::now();
    for (memory_kib, passes, lanes) in [
        (u32::MAX, 1, 1),
        (u32::MAX, u32::MAX, u32::MAX),
        (MAX_MEMORY_KIB + 1, 1, 1),
        (64 * 1024, 17, 4),
        (32, u32::MAX, 1),
        (32, 32_769, 1),
        (MAX_MEMORY_KIB, 1, MAX_LANES + 1),
        (MAX_MEMORY_KIB, 1, u32::MAX),
        // What Argon2 itself does not take.
        (0, 1, 1),
        (7, 1, 1),
        (31, 1, 4),
        (32, 0, 1),
        (32, 1, 0),
    ] {
        let file = with_cost(memory_kib, passes, lanes);
        let error = Sealed::parse(&file).unwrap_err();
        assert_eq!(error, SealError::Cost(Cost { memory_kib, passes, lanes }));
        assert!(error.to_string().contains(&format!("{memory_kib} KiB")), "{error}");
    }
    let hostile = begun.elapsed();
    // All of them together are not worth one file that is as it should be.
    let begun = Instant::now();
    open(&golden(), PASSPHRASE).unwrap();
    assert!(hostile < begun.elapsed(), "{hostile:?} for all, {:?} for an honest one", begun.elapsed());
    // The bounds themselves are taken, so that a later version may use more than we do.
    for (memory_kib, passes, lanes) in [(MAX_MEMORY_KIB, 4, MAX_LANES), (64 * 1024, 16, 4), (32, 32_768, 1)] {
        Sealed::parse(&with_cost(memory_kib, passes, lanes)).unwrap();
    }
}

#[test]
fn secrets_are_not_shown() {
    assert_eq!(format!("{:?}", carried()), "Carried(..)");
}
