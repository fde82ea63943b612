//! Order and selection of labels, ecosystem by ecosystem, and properties of the order.

use proptest::prelude::*;

use super::parse::Version;
use super::*;

fn labels(texts: &[&str]) -> Vec<Label> {
    texts.iter().map(|text| text.parse().unwrap_or_else(|error| panic!("{error}"))).collect()
}

/// Asserts that the labels ascend.
fn ascends(texts: &[&str]) {
    let all = labels(texts);
    for (index, left) in all.iter().enumerate() {
        for (other, right) in all.iter().enumerate() {
            assert_eq!(compare(left, right), index.cmp(&other), "{left} and {right}");
        }
    }
}

/// Returns the label that a request selects.
fn select<'labels>(present: &'labels [Label], request: &str) -> Option<&'labels str> {
    request
        .parse::<VersionRequest>()
        .unwrap_or_else(|error| panic!("{error}"))
        .choose(present)
        .map(Label::as_str)
}

/// Asserts what each request selects among the labels.
fn selects(present: &[&str], expected: &[(&str, &str)]) {
    let present = labels(present);
    for (request, label) in expected {
        let found = select(&present, request).unwrap_or("nothing");
        assert_eq!(found, *label, "{request} of {present:?}");
    }
}

#[test]
fn versions_sort_as_versions() {
    ascends(&[
        "current",
        "main",
        "0.9",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-beta",
        "1.0.0-rc.2",
        "1.0.0-rc.10",
        "1.0.0",
        "1.0.1",
        "1.2",
        "1.10",
        "9.0",
        "10.0",
        "15",
        "2025-12",
        "2026-01",
        "2026-01-15",
    ]);
}

#[test]
fn semantic_versions_sort_by_their_specification() {
    ascends(&[
        "1.0.0-0",
        "1.0.0-0.3.7",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0-x.7.z.92",
        "1.0.0",
        "1.0.0+20130313144700",
        "1.0.0+build.9",
        "1.0.0+build.10",
        "1.0.1-rc1",
        "1.0.1-rc2",
        "1.0.1-rc10",
        "1.0.1",
    ]);
    ascends(&["8.0.0-alpha.1", "8.0.0-preview.7.23375.6", "8.0.0-rc.1.23419.4", "8.0.0-rc.2", "8.0.0"]);
    ascends(&["15.0.0-canary.9", "15.0.0-canary.10", "15.0.0-rc.0", "15.0.0", "15.0.1-canary.0"]);
    ascends(&["v1alpha1", "v1alpha2", "v1beta1", "v1", "v2alpha1", "v2"]);
}

#[test]
fn python_versions_sort_by_their_specification() {
    ascends(&[
        "1.0.dev456",
        "1.0a1",
        "1.0a2.dev456",
        "1.0a12.dev456",
        "1.0a12",
        "1.0b1.dev456",
        "1.0b2",
        "1.0b2.post345.dev456",
        "1.0b2.post345",
        "1.0rc1.dev456",
        "1.0rc1",
        "1.0rc10",
        "1.0",
        "1.0+abc.5",
        "1.0+abc.7",
        "1.0.post456.dev34",
        "1.0.post456",
        "1.0.15",
        "1.1.dev1",
        "1!0.5",
    ]);
    selects(
        &["2.1.0", "2.2.0rc1", "2.2.0.dev3", "2.1.0.post1"],
        &[("latest", "2.1.0.post1"), ("2.x", "2.1.0.post1")],
    );
    selects(&["0.9.0", "1.0.0b2", "1.0.0.dev5"], &[("latest", "0.9.0"), ("1.0.0b2", "1.0.0b2")]);
    selects(&["2023.3", "1!2.0", "1!2.1a1"], &[("latest", "1!2.0"), ("2.x", "1!2.0")]);
}

#[test]
fn maven_versions_sort_by_their_qualifiers() {
    ascends(&[
        "1.0-alpha-1-SNAPSHOT",
        "1.0-alpha-1",
        "1.0-beta-2",
        "1.0-M1",
        "1.0-RC1",
        "1.0-SNAPSHOT",
        "1.0",
        "1.0.SP1",
        "1.0-jre",
        "1.0-1",
        "1.0.1",
    ]);
    ascends(&["5.3.0.BUILD-SNAPSHOT", "5.3.0.RELEASE", "5.3.1.M1", "5.3.1.RC2", "5.3.1.RELEASE"]);
    ascends(&[
        "6.5.0.Alpha1",
        "6.5.0.Beta3",
        "6.5.0.CR1",
        "6.5.0.CR2",
        "6.5.0.Final",
        "6.5.1.Final",
        "6.10.0.Final",
    ]);
    ascends(&["1.0-20240131.123456-1", "1.0-20240131.123456-2", "1.0"]);
    ascends(&[
        "Greenwich.SR6",
        "Hoxton.M1",
        "Hoxton.RC2",
        "Hoxton.RELEASE",
        "Hoxton.SR1",
        "Hoxton.SR12",
        "2020.0.0-M1",
        "2020.0.0",
    ]);
    ascends(&["9.4.50.v20221201", "9.4.51.v20230217", "10.0.0-M3", "10.0.0"]);

    selects(&["3.7.1", "3.7-4972921"], &[("latest", "3.7.1"), ("3.x", "3.7.1")]);
    selects(&["10.2", "10.2-b77", "10.2.1", "10.10-118273645"], &[("latest", "10.10-118273645")]);
    selects(
        &["4.0.0", "5.2.0.RELEASE", "5.3.1.RELEASE"],
        &[
            ("latest", "5.3.1.RELEASE"),
            ("5.x", "5.3.1.RELEASE"),
            ("^5.2", "5.3.1.RELEASE"),
            ("5.2.0", "5.2.0.RELEASE"),
        ],
    );
    selects(
        &["6.4.9.Final", "6.5.0.Final", "6.6.0.CR1"],
        &[
            ("latest", "6.5.0.Final"),
            ("6.x", "6.5.0.Final"),
            ("6.4.x", "6.4.9.Final"),
            ("6.6.0.CR1", "6.6.0.CR1"),
        ],
    );
    selects(
        &["32.0.0-jre", "33.4.0-jre", "33.4.0-android"],
        &[("latest", "33.4.0-jre"), ("33.x", "33.4.0-jre"), ("~32.0", "32.0.0-jre"), ("33.4.0", "nothing")],
    );
    selects(&["3.1.0.GA", "3.2.0.Beta1", "3.0.5.GA"], &[("latest", "3.1.0.GA"), ("3.1.0", "3.1.0.GA")]);
    selects(&["3.2.0-SNAPSHOT", "3.1.4", "3.2.0-M2"], &[("latest", "3.1.4"), ("^3", "3.1.4")]);
    selects(
        &["42.7.3", "42.7.4.jre7", "0.9.0-incubating"],
        &[("latest", "42.7.4.jre7"), ("0.x", "0.9.0-incubating")],
    );
}

#[test]
fn debian_versions_sort_by_policy() {
    ascends(&[
        "1.0~beta1",
        "1.0~beta1-1",
        "1.0~rc1",
        "1.0~rc1-1",
        "1.0",
        "1.0-1",
        "1.0-1.1",
        "1.0-2",
        "1.0-2ubuntu1",
        "1.0-2ubuntu2",
        "1.0-10",
        "1.0.1-1",
        "1:0.5-1",
        "2:0.1",
    ]);
    ascends(&["5.15.0-91.101", "5.15.0-100.110", "5.15.1"]);
    selects(
        &["1.0-1", "1.1~rc2-1", "1.0-3"],
        &[("latest", "1.0-3"), ("1.0.x", "1.0-3"), ("1.1~rc2-1", "1.1~rc2-1")],
    );
    selects(&["7.88.1-10+deb12u5", "7.88.1-10+deb12u12", "8.0~exp1"], &[("latest", "7.88.1-10+deb12u12")]);
    selects(&["9.0", "1:2.0-1", "1:2.1~git20240101"], &[("latest", "1:2.0-1")]);
}

#[test]
fn other_schemes_sort_as_their_projects_do() {
    // Calendars.
    ascends(&["22.04.1-LTS", "23.10", "24.04-beta", "24.04-LTS", "24.10"]);
    ascends(&["2023-12-31", "2024-05", "2024-05-01-preview", "2024-05-01", "2024-05-02", "2024-11-01"]);
    ascends(&["2023.3.7", "2024.1-EAP", "2024.1", "2024.1.1", "2024.2"]);
    ascends(&["20231201", "20240501"]);
    ascends(&["2023c", "2024a", "2024b"]);
    ascends(&["22H2", "23H1", "23H2"]);
    // OpenSSL, OpenSSH, Oracle.
    ascends(&["1.1.0", "1.1.1-pre9", "1.1.1", "1.1.1a", "1.1.1b", "1.1.1w", "3.0.0-alpha1", "3.0.0"]);
    ascends(&["0.9.8", "0.9.8y", "0.9.8z", "0.9.8za", "0.9.8zh", "1.0.0"]);
    ascends(&["9.6", "9.6p1", "9.6p2", "9.7p1"]);
    ascends(&["10g", "11g", "12c", "19c", "21c"]);
    // The JDK.
    ascends(&[
        "8",
        "8u20-ea",
        "8u20",
        "8u292-b09",
        "8u292-b10",
        "8u302",
        "11.0.2",
        "17-LTS",
        "22-ea",
        "22",
        "22.0.1",
    ]);
    ascends(&["1.8.0", "1.8.0_202", "1.8.0_292-b10", "1.9.0"]);
    ascends(&["17.0.2+7", "17.0.2+8", "17.0.2+10", "17.0.3-ea"]);
    // Go and Git.
    ascends(&[
        "v0.0.0-20191109021931-daa7c04131f5",
        "v0.0.0-20200101000000-abcdef123456",
        "v0.1.0",
        "v1.2.3",
    ]);
    ascends(&["v1.2.3", "v1.2.4-0.20191109021931-daa7c04131f5", "v1.2.4"]);
    ascends(&["1.2.3", "1.2.3-5-gabcdef0", "1.2.3-14-g1234567", "1.2.4"]);
    ascends(&["curl-7_88_1", "curl-8_4_0", "curl-8_10_0"]);
    ascends(&["jdk-11.0.2", "jdk-17.0.2", "jdk-21"]);
    ascends(&["REL_14_9", "REL_15_2", "REL_15_10"]);
    ascends(&["go1.9", "go1.21rc2", "go1.21", "go1.21.3"]);
    ascends(&["2.7.18", "3.5-r1", "3.5-r2", "3.6_rc1", "3.6_p1"]);
    ascends(&["draft-04", "draft-07", "draft-2019-09", "draft-2020-12"]);
    ascends(&["5", "5.x", "5.1", "6.x"]);

    selects(
        &["17-LTS", "21-LTS", "22-ea"],
        &[("latest", "21-LTS"), ("17.x", "17-LTS"), ("17", "17-LTS"), ("22-ea", "22-ea")],
    );
    selects(&["8u292", "8u302-b08", "9-ea", "8u41"], &[("latest", "8u302-b08"), ("8.x", "8u302-b08")]);
    selects(&["1.1.0", "1.1.1", "1.1.1w"], &[("latest", "1.1.1w"), ("1.1.x", "1.1.1w"), ("1.1.1", "1.1.1")]);
    selects(&["3.0.2", "3.0.2k-fips", "3.0.1z"], &[("latest", "3.0.2k-fips")]);
    selects(
        &["22.04-LTS", "24.04-LTS", "24.10-beta"],
        &[("latest", "24.04-LTS"), ("24.04 LTS", "24.04-LTS"), ("22.x", "22.04-LTS")],
    );
    selects(
        &["2024-05-01", "2024-11-01-preview", "2023-11-01"],
        &[("latest", "2024-05-01"), ("2023.x", "2023-11-01")],
    );
    selects(&["v1.21.0", "v1.22.0-rc.1", "v0.0.0-20240101000000-abcdef123456"], &[("latest", "v1.21.0")]);
    selects(&["2.4.1", "2.4-a1b2c3d", "2.5.0-3-gdeadbee"], &[("latest", "2.4.1"), ("2.4.x", "2.4.1")]);
    selects(&["a1b2c3d", "1.0", "9f8e7d6"], &[("latest", "1.0")]);
    selects(
        &["8.0.0", "8.0.0-alpine", "8.0.0-slim"],
        &[("latest", "8.0.0"), ("8.x", "8.0.0"), ("8.0.0-slim", "8.0.0-slim")],
    );
}

#[test]
fn names_come_before_numbers_and_moving_ones_last() {
    selects(&["main", "stable", "nightly"], &[("latest", "stable"), ("Main", "main")]);
    selects(&["main", "nightly", "4.2", "5.0-beta1"], &[("latest", "4.2")]);
    selects(&["main", "5.0-beta1"], &[("latest", "5.0-beta1")]);
    selects(&["current", "6.0.0-rc.1"], &[("latest", "current")]);
    selects(&["latest", "1.0", "2.0"], &[("latest", "latest"), ("*", "2.0")]);
    selects(
        &["6.0.0-rc.1", "6.0.0-rc.2", "6.0.0-beta.3"],
        &[("latest", "6.0.0-rc.2"), ("*", "6.0.0-rc.2"), ("^6.0", "nothing")],
    );
    selects(&["feature-1.2", "1.1", "dev"], &[("latest", "1.1")]);
    selects(&["5.x", "5.2.0"], &[("5.x", "5.x"), ("latest", "5.2.0")]);
}

#[test]
fn requests_select_labels() {
    selects(
        &["4.9", "5.1.0", "5.2.1", "5.10.0", "6.0.0-rc.1", "current"],
        &[
            ("5.x", "5.10.0"),
            ("5.2.*", "5.2.1"),
            ("^5.2", "5.10.0"),
            ("^5.11", "nothing"),
            // A pre-release is selected only by its own label, or a range that names it.
            ("^6.0", "nothing"),
            ("latest", "5.10.0"),
            ("v5.2.1", "5.2.1"),
            ("6.0.0-rc.1", "6.0.0-rc.1"),
            // No other version stands in for an absent one.
            ("5.2", "nothing"),
            ("5", "nothing"),
        ],
    );
}

#[test]
fn ranges_mean_what_package_managers_mean() {
    let present = [
        "4.9.8",
        "5.1.0",
        "5.2.0",
        "5.2.7",
        "5.3.1",
        "5.10.0",
        "6.0.0-rc.1",
        "6.0.0-rc.2",
        "6.0.2",
        "6.1.0",
        "7.0.0-beta.1",
    ];
    selects(
        &present,
        &[
            ("~5.2", "5.2.7"),
            ("~5", "5.10.0"),
            ("~5.2.1", "5.2.7"),
            ("~v5.1", "5.1.0"),
            ("~>5.2", "5.10.0"),
            ("~> 5.2.0", "5.2.7"),
            ("~=5.2.0", "5.2.7"),
            ("^5.2", "5.10.0"),
            ("^5", "5.10.0"),
            ("^5.x", "5.10.0"),
            (">=5.2 <6", "5.10.0"),
            (">=5.2,<6", "5.10.0"),
            (">= 5.2 < 5.3", "5.2.7"),
            (">=5.2<5.10", "5.3.1"),
            ("<5.2", "5.1.0"),
            ("<=5.2", "5.2.7"),
            ("<=5.2.0", "5.2.0"),
            ("<5", "4.9.8"),
            (">5", "6.1.0"),
            (">6", "nothing"),
            (">6.0", "6.1.0"),
            (">6.0.1 <6.1", "6.0.2"),
            (">=8", "nothing"),
            ("5.2 || 6", "6.1.0"),
            ("5.2||4", "5.2.7"),
            ("4 | 5.1", "5.1.0"),
            ("9 || 5.2.7", "5.2.7"),
            ("4.x || ~5.2", "5.2.7"),
            ("*", "6.1.0"),
            ("x", "6.1.0"),
            (">=*", "6.1.0"),
            ("5.*", "5.10.0"),
            ("5.X.X", "5.10.0"),
            ("v5.x", "5.10.0"),
            ("v5", "5.10.0"),
            ("V5.2", "5.2.7"),
            ("v5.2.1", "nothing"),
            ("v9", "nothing"),
            ("=5.2.7", "5.2.7"),
            ("==5.2.7", "5.2.7"),
            ("= 5.2", "nothing"),
            ("==5.2.*", "5.2.7"),
            (">=5 <6 !=5.10", "5.3.1"),
            ("5.1 - 5.2", "5.2.7"),
            ("5.1.0 - 5.2.0", "5.2.0"),
            ("[5.2,6)", "5.10.0"),
            ("(,5.2]", "5.2.0"),
            ("(5.1.0,5.2.0)", "nothing"),
            ("[5.3.1]", "5.3.1"),
            ("[5.1,5.2),[4,5)", "5.1.0"),
            // A pre-release where it is asked for.
            (">=6.0.0-rc.1 <6.0.1", "6.0.0-rc.2"),
            ("^7.0.0-alpha", "7.0.0-beta.1"),
            (">=7.0.0-0", "7.0.0-beta.1"),
            ("^6.0.0-rc.1", "6.1.0"),
            ("<7", "6.1.0"),
        ],
    );
    selects(
        &["0.2.3", "0.2.9", "0.3.0"],
        &[("^0.2.3", "0.2.9"), ("^0.2", "0.2.9"), ("^0", "0.3.0"), ("~0.2.4", "0.2.9")],
    );
    selects(&["0.0.3", "0.0.4"], &[("^0.0.3", "0.0.3"), ("^0.0", "0.0.4")]);
    selects(&["v5", "v5.1.0", "5.2.0"], &[("v5", "v5"), ("5", "v5"), ("v5.x", "5.2.0")]);
    selects(&["1.1.1k", "1.1.1w", "3.0.8"], &[(">=1.1.1l <3", "1.1.1w"), ("<1.1.1l", "1.1.1k")]);
    selects(
        &["15.3", "16.1", "17beta1"],
        &[("15.x", "15.3"), ("<=16", "16.1"), ("v16", "16.1"), (">=15", "16.1")],
    );
    selects(&["1.82.0", "boost-1.83.0"], &[("1.x", "boost-1.83.0"), ("1.83.0", "boost-1.83.0")]);
}

#[test]
fn build_metadata_is_matched_where_it_is_given() {
    selects(
        &["1.0.0+5", "1.0.0+7", "1.1.0-rc.1"],
        &[
            ("1.0.0", "1.0.0+7"),
            ("1.0.0+5", "1.0.0+5"),
            ("1.0.0+6", "nothing"),
            ("latest", "1.0.0+7"),
            ("~1.0", "1.0.0+7"),
        ],
    );
}

#[test]
fn the_nearest_label_is_the_one_below() {
    let present = labels(&["5.1.0", "5.2.1", "7.0"]);
    let near = |text: &str| nearest(&text.parse().unwrap(), &present).map(Label::as_str);
    assert_eq!(near("6.0"), Some("5.2.1"));
    assert_eq!(near("9.9"), Some("7.0"));
    assert_eq!(near("1.0"), Some("5.1.0"));
    assert_eq!(near("6.x"), Some("5.2.1"));
}

#[test]
fn the_nearest_label_shares_the_most_numbers() {
    for (present, requested, expected) in [
        (&["4.9", "5.2.1"][..], "5.1", "5.2.1"),
        (&["4.9", "5.2.1"], "5.x.x", "5.2.1"),
        (&["5.2.0", "5.2.3"], "5.2.2", "5.2.3"),
        (&["5.2.1", "5.2.3"], "5.2.2", "5.2.1"),
        (&["5.2", "6.0"], "5.9", "5.2"),
        (&["5.2", "6.0"], "^5.3", "5.2"),
        (&["7.0", "8.0.1"], "8", "8.0.1"),
        (&["1.0", "9.0"], "10.0", "9.0"),
        (&["2024.1", "2025.1"], "2024.3", "2024.1"),
        (&["32.0.0-jre", "33.4.0-jre"], "33.4.0", "33.4.0-jre"),
        (&["33.4.0-rc1", "33.4.0-jre"], "33.4.0", "33.4.0-jre"),
        (&["6.0.0-rc.1", "v5.10.0", "5.2.1", "5.1.0"], "7.x", "6.0.0-rc.1"),
        (&["6.0.0-rc.1", "v5.10.0", "5.2.1", "5.1.0"], "^4", "5.1.0"),
        (&["4.9", "6.0.1"], ">=5.2 <6", "4.9"),
        (&["4.9", "6.0.1"], "<4", "4.9"),
        (&["17-LTS", "21-LTS"], "22", "21-LTS"),
        (&["1.1.1k", "1.1.1w", "3.0"], "1.1.1q", "1.1.1k"),
        (&["main", "5.2", "current"], "mian", "main"),
        (&["main", "5.2", "6.0-rc1"], "nightly", "5.2"),
        (&["main", "current"], "5.2", "current"),
    ] {
        let found =
            nearest(&requested.parse().unwrap(), &labels(present)).map(|label| label.as_str().to_owned());
        assert_eq!(found.as_deref(), Some(expected), "{requested} of {present:?}");
    }
}

#[test]
fn invalid_labels_are_refused() {
    for text in ["", "-1", "a b", "1/2", "版本", "15~2", "15~x", "1.0~rc1~3", &"1".repeat(65)] {
        assert!(text.parse::<Label>().is_err(), "{text}");
    }
    for text in ["1.0~rc1", "1.0~bpo11+1", "1:2.0-1", "1!2.0"] {
        assert!(text.parse::<Label>().is_ok(), "{text}");
    }
}

#[test]
fn invalid_ranges_are_refused() {
    for text in [
        "^x",
        "^",
        ">=",
        ">=main",
        "||",
        "[5",
        "[5,6",
        "(5)",
        "[5],",
        "5 - ",
        "<*",
        "<<5",
        "^5 ^",
        "a b",
        &"5||".repeat(40),
    ] {
        let refused = text.parse::<VersionRequest>();
        assert!(refused.is_err(), "{text}: {refused:?}");
    }
}

/// Texts that are likely to hold every part that the parser knows.
fn any_label() -> impl Strategy<Value = Label> {
    let part = prop::sample::select(vec![
        "0", "1", "2", "10", "007", "2024", "20240131", "4972921", "a", "b", "c", "m", "p", "u", "w", "rc",
        "dev", "alpha", "beta", "post", "jre", "x", "SNAPSHOT", "Final", "RELEASE", "LTS", "ea", "main", "v",
        "build", "abcdef0", "gabcdef0", ".", "-", "_", "+", ":", "!", "~rc", "~bpo", "",
    ]);
    prop::collection::vec(part, 1..9)
        .prop_filter_map("a label", |parts| Label::from_str(&parts.concat()).ok())
}

fn pre_release() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        (prop::sample::select(vec!["alpha", "beta", "preview", "rc"]), prop::option::of(0_u8..20)).prop_map(
            |(word, number)| number.map_or(format!("-{word}"), |number| format!("-{word}.{number}"))
        ),
        (1_u8..9).prop_map(|number| format!("-0.{number}")),
    ]
}

fn python_version() -> impl Strategy<Value = String> {
    let numbers = prop::collection::vec(0_u8..12, 1..4).prop_map(|numbers| {
        let texts: Vec<String> = numbers.iter().map(u8::to_string).collect();
        texts.join(".")
    });
    let part = |words: &'static [&'static str]| {
        prop::option::of((prop::sample::select(words), 0_u8..12))
            .prop_map(|part| part.map_or(String::new(), |(word, number)| format!("{word}{number}")))
    };
    let epoch = prop::sample::select(vec!["", "1!"]);
    (epoch, numbers, part(&["a", "b", "rc"]), part(&[".post"]), part(&[".dev"]))
        .prop_map(|(epoch, numbers, pre, post, dev)| format!("{epoch}{numbers}{pre}{post}{dev}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn numbers_order_as_numbers(left in 0_u32.., right in 0_u32..) {
        let label = |number: u32| format!("1.{number}").parse::<Label>().unwrap();
        prop_assert_eq!(compare(&label(left), &label(right)), left.cmp(&right));
    }

    #[test]
    fn the_order_is_total(left in any_label(), middle in any_label(), right in any_label()) {
        prop_assert_eq!(compare(&left, &right), compare(&right, &left).reverse());
        prop_assert_eq!(compare(&left, &right).is_eq(), left == right);
        if compare(&left, &middle).is_le() && compare(&middle, &right).is_le() {
            prop_assert!(compare(&left, &right).is_le());
        }
        // The precedence is the first part of the order.
        let precedence = |label: &Label| Version::new(label.as_str()).precedence();
        if precedence(&left) < precedence(&right) {
            prop_assert!(compare(&left, &right).is_lt());
        }
    }

    #[test]
    fn semantic_versions_order_as_in_the_reference(
        left in (0_u8..3, 0_u8..12, 0_u8..3, pre_release()), right in (0_u8..3, 0_u8..12, 0_u8..3, pre_release()),
    ) {
        let text = |(major, minor, patch, pre): &(u8, u8, u8, String)| format!("{major}.{minor}.{patch}{pre}");
        let (left, right) = (text(&left), text(&right));
        let expected = semver::Version::parse(&left).unwrap().cmp(&semver::Version::parse(&right).unwrap());
        prop_assert_eq!(compare(&left.parse().unwrap(), &right.parse().unwrap()), expected, "{} {}", left, right);
        let is_stable = semver::Version::parse(&left).unwrap().pre.is_empty();
        prop_assert_eq!(Version::new(&left).is_stable(), is_stable);
    }

    #[test]
    fn python_versions_order_as_in_the_reference(left in python_version(), right in python_version()) {
        let read = |text: &str| pep440_rs::Version::from_str(text).unwrap();
        let precedence = |text: &str| Version::new(text).precedence();
        let expected = read(&left).cmp(&read(&right));
        prop_assert_eq!(precedence(&left).cmp(&precedence(&right)), expected, "{} {}", left, right);
        prop_assert_eq!(Version::new(&left).is_stable(), read(&left).is_stable());
    }

    #[test]
    fn a_label_selects_itself(label in any_label(), other in any_label()) {
        let request: VersionRequest = label.as_str().parse().unwrap();
        let present = [other, label.clone()];
        if request != VersionRequest::Latest {
            prop_assert_eq!(request.choose(&present), Some(&label));
        }
        prop_assert!(nearest(&request, &present).is_some());
    }

    #[test]
    fn no_request_panics(text in ".{0,80}") {
        if let Ok(request) = text.parse::<VersionRequest>() {
            let _any = request.choose(&labels(&["1.0", "2.0"]));
        }
    }

    #[test]
    fn no_range_panics(text in "[0-9v.x*<>=^~!|,\\[\\]() -]{0,40}") {
        if let Ok(request) = text.parse::<VersionRequest>() {
            let present = labels(&["1.0", "2.0-rc1", "3.4.5-jre", "main"]);
            let _any = (request.choose(&present), nearest(&request, &present));
        }
    }
}
