//! The language over a configuration of its own, with a secret: where secrets are starred.

use std::{fmt::Write as _, sync::OnceLock};

use super::{error::Failure, *};

/// A part with its mode, like a subsystem's.
#[derive(Clone, Debug, Default, PartialEq)]
struct Vault {
    key: Option<Secret>,
    door: u16,
}

static VAULT: Mode = Mode { name: "vault", tag: "(config-vault)", parent: Some(&CONFIG) };

const COMMANDS: &[ConfigSpec<Vault>] = &[
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "vault",
        help: &[("vault", "A vault")],
        forms: Forms::SetOnly,
        run: |_, position, _, _| {
            position.enter(&VAULT, "");
            Ok(Vec::new())
        },
    },
    ConfigSpec {
        modes: &[&VAULT],
        pattern: "key-string ~ <key:secret> [<seconds:0-100>]",
        help: &[("key-string", "What opens it"), ("<key>", "The key"), ("<seconds>", "For so long")],
        forms: Forms::All,
        run: |vault, _, args, form| {
            vault.key = if form.clears() { None } else { Some(args.secret("key", "Key")?) };
            Ok(Vec::new())
        },
    },
    ConfigSpec {
        modes: &[&VAULT],
        pattern: "keep ~ <door:1-100>",
        help: &[("keep", "What it keeps"), ("<door>", "The door")],
        forms: Forms::All,
        run: |vault, _, args, form| {
            vault.door = if form.clears() { 0 } else { need(args.int("door"))? };
            Ok(Vec::new())
        },
    },
    ConfigSpec {
        modes: &[&CONFIG, &VAULT],
        pattern: "description <text:line>",
        help: &[("description", "A remark"), ("<text>", "Text")],
        forms: Forms::SetOnly,
        run: |_, _, _, _| Ok(Vec::new()),
    },
];

#[derive(Clone, Debug, Default, PartialEq)]
struct Whole {
    vault: Vault,
}

impl Configuration for Whole {
    fn language() -> &'static Language<Self> {
        static LANGUAGE: OnceLock<Language<Whole>> = OnceLock::new();
        let specs = COMMANDS.iter().map(|spec| spec.within(|whole: &mut Self| &mut whole.vault));
        LANGUAGE.get_or_init(|| Language::from_specs(specs).unwrap())
    }

    fn check(&self) -> Result<Vec<String>, Vec<ConfigError>> {
        if self.vault.door == 13 { Err(vec![ConfigError::new("No door 13")]) } else { Ok(Vec::new()) }
    }

    fn text(&self, secrets: Secrets) -> String {
        let mut out = ConfigWriter::new(secrets);
        if self.vault != Vault::default() {
            out.block(rank::FEEDBACK);
            out.write_str("vault\n").unwrap();
        }
        if let Some(key) = &self.vault.key {
            out.write_str(" key-string ").unwrap();
            out.secret(key).unwrap();
            out.write_str("\n").unwrap();
        }
        if self.vault.door != 0 {
            writeln!(out, " keep {}", self.vault.door).unwrap();
        }
        out.finish()
    }

    fn hostname(&self) -> &'static str {
        "R"
    }

    fn password_encryption(&self) -> bool {
        false
    }
}

const PRIVILEGED: &[&Mode] = &[&EXEC];

fn shell(lines: &str) -> (Shell<Idle<Whole>>, Idle<Whole>) {
    let open = ExecSpec {
        modes: PRIVILEGED,
        pattern: "open <door:1-9> with <code:secret>",
        help: &[("open", "Opens"), ("<door>", "Which"), ("with", "How"), ("<code>", "The code")],
        forms: Forms::SetOnly,
        run: Exec::new(|_: &mut Idle<Whole>, args: &Args, _| {
            args.secret("code", "Code")?;
            Ok(Output::default())
        }),
    };
    let (mut shell, mut runtime) =
        (Shell::new(std::sync::Arc::new(Commands::new([open]).unwrap()), true), Idle::default());
    for line in lines.lines() {
        assert_eq!(shell.execute(line, &mut runtime).error, None, "{line}");
    }
    (shell, runtime)
}

#[test]
fn a_repeated_line_keeps_its_places_and_loses_its_secret() {
    const NONE: &str = "";
    const CONFIGURING: &str = "configure terminal";
    const VAULT: &str = "configure terminal\nvault";
    for (before, line, masked) in [
        // Commands.
        (VAULT, "key-string Cookies", "key-string *******"),
        (VAULT, " key 7 0822455D0A16 ", " key * ************ "),
        (VAULT, "no key-string  Cookies\t50", "no key-string  *******\t**"),
        (VAULT, "no key-string Cookies and what else", "no key-string ******* *** **** ****"),
        (VAULT, "keep 5", "keep 5"),
        (VAULT, "description key is under the mat", "description key is under the mat"),
        (VAULT, "do open 5 with Sesame", "do open 5 with ******"),
        (NONE, "open 5 with Sesame", "open 5 with ******"),
        (NONE, "show running-config | include key", "show running-config | include key"),
        // No commands: after the secret, in place of it, an ambiguous word before it.
        (VAULT, "key-string Cookies 500", "key-string ******* ***"),
        (VAULT, "key-string Coo kies", "key-string *** ****"),
        (VAULT, "ke Cookies", "ke *******"),
        (VAULT, "key-string Cookies ?", "key-string ******* *"),
        (VAULT, "key-word Köder", "key-word ******"),
        // The keyword misspelt, or in the wrong mode, or behind what is no command.
        (VAULT, "key-sting Cookies", "key-sting *******"),
        (CONFIGURING, "key-string Cookies", "key-string *******"),
        (CONFIGURING, "vault of key-string Cookies", "vault of key-string *******"),
        (NONE, "key-string Cookies", "key-string *******"),
        (CONFIGURING, "open 5 with Sesame", "open 5 with ******"),
        (NONE, "open 50 with Sesame", "open 50 with ******"),
        (NONE, "", ""),
    ] {
        let (shell, _) = shell(before);
        assert_eq!(shell.masked(line), masked, "{line}");
        assert_eq!(line.len(), masked.len());
    }
    let long = format!("key-string {}", "x".repeat(LINE_LIMIT));
    assert!(!shell(VAULT).0.masked(&long).contains('x'));
}

#[test]
fn no_answer_repeats_a_secret_and_carets_stand_where_they_should() {
    let (mut shell, mut runtime) = shell("configure terminal\nvault");
    // `R(config-vault)#` has 16 columns.
    for (line, said) in [
        ("ke Cookies", "% Ambiguous command:  \"ke *******\"\n".to_owned()),
        (
            "key-string Cookies 500",
            format!("{}^\n% Invalid input detected at '^' marker.\n\n", " ".repeat(16 + 19)),
        ),
        ("key-string 7 Cookies", "% Invalid encrypted password\n".to_owned()),
    ] {
        let reply = shell.execute(line, &mut runtime);
        assert_eq!(reply.text, said);
        assert!(reply.error.is_some());
    }
    let errors =
        load::<Whole>("f", "vault\n key-string 0 Cookies 500\n key-string 7 Cookies\nkey-string Cookies x")
            .unwrap_err();
    let shown = format!("{errors:?}") + &errors.iter().map(ToString::to_string).collect::<String>();
    assert!(!shown.contains("Cookies"), "{shown}");
    assert_eq!(
        errors[0].to_string(),
        "f:2:23: invalid input, expected <0-100>\n   key-string * ******* ***\n                        ^"
    );
    assert!(matches!(errors[0].problem, Problem::Failure(Failure::Invalid { at: 22, .. })));
}

#[test]
fn a_secret_takes_its_type_with_it() {
    for (line, text) in [
        ("key-string 7", " key-string 0 7"),
        ("key-string 0", " key-string 0 0"),
        ("key-string 0 7", " key-string 0 7"),
        ("key-string 7 094F471A1A0A", " key-string cisco"),
        ("key-string 0 Cookies 5", " key-string Cookies"),
    ] {
        let loaded = load::<Whole>("f", &format!("vault\n{line}")).unwrap();
        assert!(!format!("{loaded:?}").contains("Cookies"));
        assert_eq!(loaded.configuration.startup_config().lines().nth(1), Some(text));
        let hidden = loaded.configuration.text(Secrets::Hidden);
        assert_eq!(hidden, "vault\n key-string ********\n!\n");
        assert!(load::<Whole>("f", &hidden).is_ok());
    }
    let (shell, _) = shell("configure terminal\nvault");
    assert_eq!(
        shell.help("key-string "),
        "  0     The secret follows in clear text\n  7     The secret follows in type 7 notation\n  WORD  The key\n"
    );
    // It may have been the secret itself.
    assert_eq!(shell.help("key-string 7 "), "  <0-100>  For so long\n  WORD     The key\n  <cr>\n");
}

#[test]
fn every_mode_of_configuration_has_its_way_out() {
    let language = Whole::language();
    assert_eq!(language.modes(), [&CONFIG, &VAULT]);
    for mode in language.modes() {
        let mut position = Position::default();
        position.enter(mode, "");
        let commands = std::sync::Arc::new(Commands::new([]).unwrap());
        let mut shell = Shell::<Idle<Whole>>::at(commands, position);
        assert!(shell.execute("end", &mut Idle::default()).left_configuration);
    }
    assert_eq!(language.without_help(), Vec::<String>::new());
}

#[test]
fn any_bytes_keep_the_promises_of_the_language() {
    fuzz_line::<Whole>(
        b"configure terminal\nvault\nkey-string 7 094F471A1A0A\nkeep 13\nkeep 5\nno key\nkey ?\nend",
    );
}
