//! Why a request gets no answer.

/// One line a reason: name and word.
macro_rules! discards {
    ($($(#[$meta:meta])* $name:ident, $word:literal;)+) => {
        /// Why a request gets no answer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Discard {
            $($(#[$meta])* $name,)+
        }

        impl Discard {
            /// Every reason.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$name),+];

            /// The reason in a word, for counters and logs.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

discards! {
    /// The home agent is not in service.
    ServiceOff, "service-off";
    /// The UDP checksum is wrong.
    Checksum, "checksum";
    /// Under 24 bytes.
    TooShort, "too-short";
    /// Another message.
    NotRequest, "not-rrq";
    /// An extension's header is incomplete.
    ExtTruncated, "ext-truncated";
    /// An extension's data runs past the message.
    ExtOverrun, "ext-overrun";
    /// An extension that is not known here and may not be skipped.
    UnknownNonSkippable, "unknown-nonskippable-extension";
    /// Neither NAI nor home address.
    NoIdentity, "no-identity";
    /// No mobile-home authentication.
    NoAuthorization, "no-authorization-extension";
    /// A mobile-home authentication without room for its SPI.
    AuthTooShort, "auth-ext-too-short";
    /// A mobile-home authentication that is not as long as the algorithms make it.
    AuthLength, "auth-ext-length";
    /// No security association with the mobile node.
    NoAssociation, "no-security-association";
    /// None with this SPI.
    BadSpi, "bad-spi";
    /// A foreign-home authentication, and no security association with the sender.
    UnknownForeignAgent, "unknown-foreign-agent";
    /// A denial, or a repeated reply, too many for this source in this second.
    RateLimited, "rate-limited";
}
