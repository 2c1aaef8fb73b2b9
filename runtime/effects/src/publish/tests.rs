//! Options of a publish, by their names.

use super::*;

fn read(options: &[(&str, &str)]) -> Result<Options, String> {
    let owned: Vec<_> = options
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Options::read(&owned).map_err(|error| error.to_string())
}

#[test]
fn options_are_read_by_their_names() {
    let plain = read(&[]).expect("none is needed");
    assert_eq!(
        (plain.clean_session, plain.retain, plain.version, plain.connect_timeout_ms),
        (true, false, MqttVersion::V311, 10_000)
    );
    let all = read(&[
        ("client-id", "gateway"),
        ("client-id-suffix", "true"),
        ("clean-session", "false"),
        ("retain", "true"),
        ("version", "3.1"),
        ("connect-timeout-ms", "500"),
    ]);
    assert_eq!(
        all,
        Ok(Options {
            client_id: "gateway".to_owned(),
            client_id_suffix: true,
            clean_session: false,
            retain: true,
            version: MqttVersion::V31,
            connect_timeout_ms: 500,
        })
    );
}

#[test]
fn what_is_no_option_is_refused_saying_why() {
    for (option, says) in [
        (("retain", "yes"), "true or false"),
        (("clean-session", ""), "true or false"),
        (("version", "5"), "3.1.1 or 3.1"),
        (("connect-timeout-ms", "0"), "milliseconds"),
        (("connect-timeout-ms", "soon"), "milliseconds"),
        (("acks", "all"), "no option \"acks\""),
    ] {
        let told = read(&[option]).expect_err(says);
        assert!(told.contains(says), "{option:?}: {told}");
    }
}
