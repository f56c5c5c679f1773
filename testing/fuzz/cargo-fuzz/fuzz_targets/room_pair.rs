#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = torchat_fuzz::targets::room_pair::script(data);
});
