//! What is wrong: of which kind, how bad, in words, and what mends it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::mend::Mend;
use super::render::Runner;
use crate::overview::spelling;

/// Whether a delivery can work in spite of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// It cannot.
    Error,
    /// It can.
    Advice,
    /// It can, and nothing is wrong.
    Fact,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum About {
    Hooks,
    Configuration,
    Secrets,
    State,
    Receivers,
    Refs,
    Backlog,
    Timer,
    Sshd,
    Broker,
}

/// Makes the kinds of findings, each with what it is about.
macro_rules! kinds {
    ($($about:ident: $($kind:ident),+;)+) => {
        /// What a finding is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub(super) enum Kind {
            $($($kind,)+)+
        }

        impl Kind {
            pub(super) fn about(self) -> About {
                match self {
                    $($(Self::$kind)|+ => About::$about,)+
                }
            }
        }
    };
}

kinds! {
    Hooks: HooksUnknown, HookUnused, HookShadowed, HookMissing, HookDangling, HookForeign, HookIsCommand, HookClosed, HookNotExecutable,
        HookOtherVersion, HookTwice, HookUnknown, HookSwitchedOff, NoInterpreter, PushesUnseen;
    Configuration: Unreadable, WrongValue, TooManyTargets, Called, SameName, SetTwice, GitCannotRead, ReadDifferently, UnseenFile, SeveralNames, TemplateFails, TemplateNoJson;
    Secrets: SecretReadable, SecretClosed, OpenDirectory;
    State: StateLink, StateNoDirectory, StateNotWritable, StateUnread, LocksIgnored, NoLocks, CannotKeep, StateNotGroups,
        StateOtherGroup, StateOtherOwner, OddFileSystem, Displaced;
    Receivers: NoTarget, Unverified, PlainToken, OtherChat, NoAddress, NothingWanted, EventUnsent, NoPushOptions, Unreached, CertificateEnds, Reached;
    Refs: HeadNamesNothing, OddPattern, DanglingAlias;
    Backlog: Parked, Untold, Removed, Withheld, Waiting, Unworked, Dead, BodyLimit;
    Timer: NoTimer, TimerInactive;
    Sshd: AcceptEnv, UserVariable;
    Broker: BrokerUnreached, StreamMissing, StreamNearlyFull, ClocksApart;
}

/// One thing that is wrong.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) kind: Kind,
    pub(super) target: Option<String>,
    pub(super) message: String,
    /// One after the other.
    pub(super) mend: Vec<Mend>,
    /// How the target was reached.
    pub(super) reached: Option<ReachedRow>,
}

/// How a receiver was reached, for programs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ReachedRow {
    /// This machine's address on the way.
    pub(super) from: IpAddr,
    pub(super) to: IpAddr,
    pub(super) certificates: Vec<CertificateRow>,
}

/// A certificate that a receiver showed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CertificateRow {
    pub(super) names: Vec<String>,
    pub(super) issuer: String,
    /// In seconds since 1970.
    #[serde(with = "spelling::time")]
    pub(super) not_after: Option<i64>,
    /// Whole days; negative where it has expired.
    pub(super) days_left: i64,
}

impl Finding {
    pub(super) fn new(severity: Severity, kind: Kind, message: impl Into<String>) -> Self {
        Self { severity, kind, target: None, message: message.into(), mend: Vec::new(), reached: None }
    }

    pub(super) fn error(kind: Kind, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, kind, message)
    }

    pub(super) fn advice(kind: Kind, message: impl Into<String>) -> Self {
        Self::new(Severity::Advice, kind, message)
    }

    pub(super) fn of(self, target: &str) -> Self {
        Self { target: Some(target.into()), ..self }
    }

    pub(super) fn mend(mut self, mend: Mend) -> Self {
        self.mend.push(mend);
        self
    }
}

/// A finding as it is shown to its reader, with the commands that he runs.
#[derive(Debug, Serialize)]
pub(super) struct CheckRow {
    pub(super) severity: Severity,
    #[serde(skip)]
    pub(super) kind: Kind,
    /// Its command comes after all others.
    #[serde(skip)]
    pub(super) is_last: bool,
    about: About,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    pub(super) message: String,
    pub(super) mend: Vec<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    reached: Option<ReachedRow>,
}

impl CheckRow {
    pub(super) fn new(finding: Finding, runner: &Runner<'_>) -> Self {
        let Finding { severity, kind, target, message, mend, reached } = finding;
        let is_last = mend.iter().any(Mend::is_last);
        let mend = mend.iter().map(|mend| runner.command(mend)).collect();
        Self { severity, kind, is_last, about: kind.about(), target, message, mend, reached }
    }
}
