//! A target as it is configured: one that can be used, or one that has to be mended first.

use super::problem::Problem;
use crate::target::{Switch, Target, TargetName};

/// A target as it is configured.
pub enum Configured {
    /// It can be used as it is.
    Ready(Box<Target>),
    /// It cannot, and why.
    Broken(BrokenTarget),
}

impl Configured {
    /// Its name.
    pub fn name(&self) -> &TargetName {
        match self {
            Self::Ready(target) => &target.name,
            Self::Broken(target) => &target.name,
        }
    }

    /// Whether it is to be told of pushes, once it can be.
    pub fn switch(&self) -> Switch {
        match self {
            Self::Ready(target) => target.switch,
            Self::Broken(target) => target.switch,
        }
    }

    /// The target, where it can be used.
    pub fn ready(&self) -> Option<&Target> {
        match self {
            Self::Ready(target) => Some(target),
            Self::Broken(_) => None,
        }
    }

    /// The target, as far as it could be read where it cannot be used.
    pub fn as_far_as_read(&self) -> Option<&Target> {
        match self {
            Self::Ready(target) => Some(target),
            Self::Broken(target) => target.rest.as_deref(),
        }
    }

    /// What is wrong with it, where it cannot be used.
    pub fn broken(&self) -> Option<&BrokenTarget> {
        match self {
            Self::Ready(_) => None,
            Self::Broken(target) => Some(target),
        }
    }
}

/// A target that is not configured rightly. Its events are not sent, those of the others are.
pub struct BrokenTarget {
    /// The name, as it stands in the file.
    pub name: TargetName,
    /// Scheme, host and port of its address, where that is right.
    pub origin: Option<String>,
    /// Whether it would be used if it were right.
    pub switch: Switch,
    /// Everything that is wrong with it.
    pub problems: Vec<Problem>,
    /// What it would be, wrong values left out; `None` where it has neither address nor format. For those who look for
    /// what else there is to mend, never to be sent to.
    pub rest: Option<Box<Target>>,
}
