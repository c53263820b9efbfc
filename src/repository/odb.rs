//! The object database: opens it, and reads raw objects.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use git2::{ObjectType, Odb};

use super::object::RawTag;
use crate::config::Layout;
use crate::message;
use crate::ref_update::{ObjectFormat, ObjectId};

/// Tags of tags are followed this far; git has no limit, and nobody a use for two.
const DEEPEST_TAG: usize = 100;

/// So many of the objects that refs lead to are kept, none larger than this, in bytes.
const MOST_RECALLED: usize = 16;
const LARGEST_RECALLED: usize = 4096;

/// The objects of a repository, by id.
pub struct Objects {
    pub(super) odb: Odb<'static>,
    format: ObjectFormat,
    /// Where those of the repository itself lie.
    pub(super) directory: PathBuf,
    /// What was asked for of late and may be asked for again.
    recalled: Mutex<VecDeque<Recalled>>,
}

/// A commit or a tag, which many refs of a push may lead to.
#[derive(Clone)]
struct Recalled {
    id: ObjectId,
    kind: Kind,
    data: Arc<[u8]>,
}

/// The kinds of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A commit.
    Commit,
    /// A tree.
    Tree,
    /// A blob.
    Blob,
    /// A tag object.
    Tag,
}

/// A raw object.
pub struct Object<'a> {
    data: Data<'a>,
    kind: Kind,
}

enum Data<'a> {
    Read(git2::OdbObject<'a>),
    Recalled(Arc<[u8]>),
}

impl Object<'_> {
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn data(&self) -> &[u8] {
        match &self.data {
            Data::Read(object) => object.data(),
            Data::Recalled(data) => data,
        }
    }
}

/// The object database cannot be opened.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    source: git2::Error,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&message::cannot_open(self.path.display(), self.source.message()))
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl Objects {
    pub(super) fn open(common_dir: &Path, format: ObjectFormat) -> Result<Self, OpenError> {
        // Nearly each object is read once; libgit2's cache would hold a copy of all of them.
        git2::opts::enable_caching(false);
        // As git: what it stores was checked when it came, and zlib's checksum finds what broke since.
        git2::opts::strict_hash_verification(false);
        let path = common_dir.join("objects");
        let kind = match format {
            ObjectFormat::Sha1 => git2::ObjectFormat::Sha1,
            ObjectFormat::Sha256 => git2::ObjectFormat::Sha256,
        };
        let open = || {
            // libgit2 takes a directory that is not there for an empty alternate.
            if !path.is_dir() {
                return Err(git2::Error::from_str(message::no_such_directory()));
            }
            let odb = Odb::new_ext(kind)?;
            // The hook runs in the repository and says ".", so this is text wherever the repository lies.
            let text = path.to_str().ok_or_else(not_text)?;
            odb.add_disk_alternate(text)?;
            Ok(odb)
        };
        match open() {
            Ok(odb) => Ok(Self { odb, format, directory: path, recalled: Mutex::default() }),
            Err(source) => Err(OpenError { path, source }),
        }
    }

    /// Some that lie nowhere.
    #[cfg(test)]
    pub(super) fn of(odb: Odb<'static>) -> Self {
        Self { odb, format: ObjectFormat::Sha1, directory: PathBuf::new(), recalled: Mutex::default() }
    }

    pub(super) fn format(&self) -> ObjectFormat {
        self.format
    }

    /// Whether an object is here.
    pub fn has(&self, id: ObjectId) -> bool {
        git2::Oid::from_bytes(id.as_bytes()).is_ok_and(|id| self.odb.exists(id))
    }

    /// Reads an object; `None` where it is not here or cannot be unpacked. Never asks a promisor remote.
    pub(super) fn read(&self, id: ObjectId) -> Option<Object<'_>> {
        let id = git2::Oid::from_bytes(id.as_bytes()).ok()?;
        let raw = self.odb.read(id).ok()?;
        let kind = match raw.kind() {
            ObjectType::Commit => Kind::Commit,
            ObjectType::Tree => Kind::Tree,
            ObjectType::Blob => Kind::Blob,
            ObjectType::Tag => Kind::Tag,
            ObjectType::Any => return None,
        };
        Some(Object { data: Data::Read(raw), kind })
    }

    /// The same of what is likely to be asked for again, as what refs lead to is.
    pub(super) fn recall(&self, id: ObjectId) -> Option<Object<'_>> {
        let mut recalled = self.recalled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Recalled { kind, data, .. }) = recalled.iter().find(|known| known.id == id).cloned() {
            return Some(Object { data: Data::Recalled(data), kind });
        }
        let object = self.read(id)?;
        if matches!(object.kind, Kind::Commit | Kind::Tag) && object.data().len() <= LARGEST_RECALLED {
            recalled.truncate(MOST_RECALLED - 1);
            recalled.push_front(Recalled { id, kind: object.kind, data: object.data().into() });
        }
        Some(object)
    }

    /// How many bytes an object has; `None` where it is not here.
    pub(super) fn size(&self, id: ObjectId) -> Option<usize> {
        self.odb.read_header(git2::Oid::from_bytes(id.as_bytes()).ok()?).ok().map(|(size, _)| size)
    }

    /// The commit that `id` leads to through any tag objects.
    pub(super) fn peel(&self, id: ObjectId) -> Option<ObjectId> {
        let mut id = id;
        for _ in 0..DEEPEST_TAG {
            let object = self.recall(id)?;
            match object.kind() {
                Kind::Commit => return Some(id),
                Kind::Tag => id = RawTag::parse(object.data()).object?,
                Kind::Tree | Kind::Blob => return None,
            }
        }
        None
    }
}

/// Opens the object database below `common_dir`.
///
/// # Errors
/// Where the directory cannot be read.
pub fn open(common_dir: &Path, layout: Layout) -> Result<Objects, OpenError> {
    open_with(common_dir, layout, &[])
}

/// The same with further directories of objects: `GIT_OBJECT_DIRECTORY` and `GIT_ALTERNATE_OBJECT_DIRECTORIES`. As git does
/// with its alternates, one that is not there holds nothing.
///
/// # Errors
/// Where the repository's own directory cannot be read.
pub fn open_with(common_dir: &Path, layout: Layout, further: &[PathBuf]) -> Result<Objects, OpenError> {
    let objects = Objects::open(common_dir, layout.object_format)?;
    for path in further {
        if let Err(source) = path.to_str().ok_or_else(not_text).and_then(|text| objects.odb.add_disk_alternate(text)) {
            log::warn!("{}", OpenError { path: path.clone(), source });
        }
    }
    Ok(objects)
}

fn not_text() -> git2::Error {
    git2::Error::from_str(message::path_not_utf8())
}
