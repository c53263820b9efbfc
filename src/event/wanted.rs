//! How much of an event is found out: what costs time is looked for only where a target's format asks.

/// What there is to know of a push, of which each part costs time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How many commits are listed at most.
    pub commits: usize,
    /// How many changed paths of each commit, which costs a comparison of trees; 0 for none.
    pub paths: usize,
    /// What each ref pointed to before, and whether a tag was moved by force.
    pub before: bool,
    /// Which commits the repository knew before, and which other ref points to the same, for which all refs are read.
    pub known: bool,
    /// What happens to reviews.
    pub reviews: bool,
    /// Comments.
    pub notes: bool,
    /// How much reviews change, for which files are compared.
    pub review_sizes: bool,
}

impl Wanted {
    /// No more than that something happened.
    pub const NOTHING: Self =
        Self { commits: 0, paths: 0, before: false, known: false, reviews: false, notes: false, review_sizes: false };

    /// As much as the one or the other asks for.
    pub fn or(self, other: Self) -> Self {
        Self {
            commits: self.commits.max(other.commits),
            paths: self.paths.max(other.paths),
            before: self.before || other.before,
            known: self.known || other.known,
            reviews: self.reviews || other.reviews,
            notes: self.notes || other.notes,
            review_sizes: self.review_sizes || other.review_sizes,
        }
    }
}
