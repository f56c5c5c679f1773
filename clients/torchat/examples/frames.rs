//! Frames of the real screen, from a real conversation: two daemons, two clients on terminals of their own.
//!
//! `cargo run -p torchat --example frames` prints them; docs/CLIENT.md shows one. It wants `torchat` to be built in the same profile.

#[path = "../tests/support/pty.rs"]
#[allow(dead_code)]
mod pty;

use anyhow::Context as _;
use pty::{Home, client};
use std::path::Path;

fn main() -> anyhow::Result<()> {
    let program = client();
    let dir = tempfile::tempdir()?;
    let (mut ann, mut bob) = (Home::new(dir.path(), "ann", 11), Home::new(dir.path(), "bob", 12));
    ann.daemon.start()?;
    bob.daemon.start()?;
    let bob_onion = bob.daemon.client()?.host()?;
    let show = |title: &str, screen: &pty::Screen| println!("{title}\n\n{}", settled(screen));
    let mut a = ann.screen(Path::new(&program), (80, 24));
    a.see("it is the code here");
    show("The first start:", &a);
    let mut b = bob.screen(Path::new(&program), (80, 24));
    b.see("Welcome");
    a.keys(&format!("/add {bob_onion} This is Ann. We met at the library.\r"));
    a.see("is a contact");
    a.keys("/rename bob\r");
    a.see("bob");
    a.keys("Hello Bob! How are you?\r");
    b.see("asks");
    b.keys("\t\r");
    b.see("/accept");
    show("A request:", &b);
    b.keys("/accept\r");
    b.see("How are you?");
    b.keys("/rename ann\r");
    b.see("ann");
    b.keys("Yes! How is the talk about onion services going?\r");
    a.see("How is the talk");
    a.paste("Almost done. One question:\nfn hops(circuit: &Circuit) -> usize {\n\tcircuit.len() // 3 or 6?\n}");
    a.keys("\r");
    b.see("3 or 6?");
    b.keys("Three to a relay, six to an onion service. 日本語でもいいよ 👍\r");
    a.see("日本語");
    b.see("✓✓ Three to a relay");
    bob.daemon.stop().context("bob leaves")?;
    a.see("heard");
    a.keys("Thanks. See you on Tuesday, then?\r");
    a.see("Thanks. See you");
    a.see("next try");
    a.keys("and a draft that I have not fini");
    a.see("have not fini");
    show("A conversation; the other side has just left:", &a);
    a.resize((40, 12));
    a.see("have not fini");
    show("The same on a small screen:", &a);
    Ok(())
}

/// A screen that is drawn to its end: nothing has changed for a while.
fn settled(screen: &pty::Screen) -> String {
    loop {
        let frame = screen.frame();
        std::thread::sleep(std::time::Duration::from_millis(300));
        if screen.frame() == frame {
            return frame;
        }
    }
}
