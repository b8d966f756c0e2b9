//! The scenarios that come with the program.

/// Name and text of each.
pub const ALL: &[(&str, &str)] = &[
    ("foreign-agent", include_str!("../scenarios/foreign-agent.toml")),
    ("home-agents", include_str!("../scenarios/home-agents.toml")),
    ("capture", include_str!("../scenarios/capture.toml")),
    ("storm", include_str!("../scenarios/storm.toml")),
];

/// The text of the one of that name.
pub fn find(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
