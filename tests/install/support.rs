//! Directories with repositories, stub programs, and what `install.sh` did to them.

use super::*;

/// The refs as they were told last, below a repository.
pub const SNAPSHOT: &str = "webhook/refs";

/// A directory with a home, stub programs in `from`, and repositories beside them. Command
/// lines are given as words between spaces.
pub struct World {
    pub root: PathBuf,
    #[expect(dead_code, reason = "held for its drop")]
    directory: TempDir,
}

impl World {
    pub fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let world = Self { root, directory };
        for name in ["home", "from", "tmp"] {
            fs::create_dir(world.path(name)).unwrap();
        }
        executable(&world.path("from/post-receive"), STUB);
        // It holds the mark that the command has, by which it is known.
        executable(&world.path("from/git-webhook"), "#!/bin/sh\n# post-receive (git-webhook) \n");
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn tree(&self, name: &str) -> Tree {
        tree(&self.path(name))
    }

    pub fn bare(&self, name: &str) {
        let mut init = self.isolated("git", "init -q --bare --");
        Run::of(init.arg(name)).succeeds();
    }

    /// A bare repository that has a post-receive hook.
    pub fn hook(&self, name: &str, script: &str, mode: u32) {
        self.bare(name);
        let hook = self.path(name).join("hooks/post-receive");
        executable(&hook, script);
        fs::set_permissions(&hook, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Gives a repository a pre-receive hook.
    pub fn verdict(&self, repository: &str, script: &str) {
        executable(&self.path(repository).join("hooks/pre-receive"), script);
    }

    /// Puts a link to the driver where its copies are, as earlier versions did.
    pub fn earlier(&self, repository: &str, prefix: &Path) {
        for name in ["post-receive", "pre-receive"] {
            let hook = self.path(repository).join("hooks").join(name);
            fs::remove_file(&hook).unwrap();
            symlink(prefix.join("libexec/git-webhook/driver"), hook).unwrap();
        }
    }

    /// A file in the repository's post-receive.d.
    pub fn entry(&self, repository: &str, name: &str, script: &str, mode: u32) -> PathBuf {
        let directory = self.path(repository).join("hooks/post-receive.d");
        fs::create_dir_all(&directory).unwrap();
        let entry = directory.join(name);
        executable(&entry, script);
        fs::set_permissions(&entry, fs::Permissions::from_mode(mode)).unwrap();
        entry
    }

    /// The repository a.git with the driver as this hook, linked by hand.
    pub fn driver(&self, hook: &str, entries: &[(&str, &str)]) {
        self.bare("a.git");
        let hook = self.path(hook);
        symlink(Path::new(CHECKOUT).join("hooks/driver"), &hook).unwrap();
        let directory = hook.with_extension("d");
        fs::create_dir(&directory).unwrap();
        for (name, script) in entries {
            executable(&directory.join(name), script);
        }
    }

    pub fn configure(&self, text: &str) {
        fs::write(self.path("home/.gitconfig"), text).unwrap();
    }

    /// With the stub programs, below `prefix`.
    pub fn install(&self, words: &str) -> Run {
        self.run(&format!("--prefix prefix --from from {words}"))
    }

    pub fn uninstall(&self, words: &str) -> Run {
        self.run(&format!("--prefix prefix --uninstall {words}"))
    }

    /// Builds on a machine that has these tools only.
    pub fn build(&self, stubs: &[(&str, &str)]) -> Run {
        let mut install = self.command("--prefix prefix");
        install.env("CARGO_TARGET_DIR", self.path("target"));
        Run::of(install.env("PATH", self.tools(stubs)))
    }

    pub fn run(&self, words: &str) -> Run {
        Run::of(&mut self.command(words))
    }

    pub fn command(&self, words: &str) -> Command {
        self.isolated(&format!("{CHECKOUT}/install.sh"), words)
    }

    pub fn git(&self, directory: &str, words: &str) -> Run {
        let mut git = self.isolated("git", words);
        Run::of(git.current_dir(self.path(directory)))
    }

    pub fn isolated(&self, program: &str, words: &str) -> Command {
        let mut command = Command::new(program);
        command.args(words.split_whitespace());
        command.current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            if name.as_bytes().starts_with(b"GIT_") || name == "XDG_CONFIG_HOME" {
                command.env_remove(name);
            }
        }
        command.env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("HOME", self.path("home"));
        command.env("TMPDIR", self.path("tmp"));
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Ada");
            command.env(format!("GIT_{who}_EMAIL"), "ada@example.org");
        }
        command
    }

    /// Pushes a commit to main.
    pub fn push(&self, repository: &str) -> Run {
        let clone = self.clone_with_commit();
        let mut push = self.isolated("git", "push --force");
        push.arg(self.path(repository)).arg("HEAD:refs/heads/main");
        Run::of(push.current_dir(clone.path()))
    }

    /// Pushes that many new branches, and one whose name is no UTF-8.
    pub fn push_many(&self, repository: &str, count: usize) -> Run {
        let clone = self.clone_with_commit();
        let mut refs = b"create refs/heads/new/caf\xe9 HEAD\n".to_vec();
        for number in 0..count {
            writeln!(refs, "create refs/heads/new/{number} HEAD").unwrap();
        }
        let mut update_ref = self.isolated("git", "update-ref --stdin");
        feed(update_ref.current_dir(clone.path()), &refs).succeeds();
        let mut push = self.isolated("git", "push");
        push.arg(self.path(repository)).arg("refs/heads/new/*");
        Run::of(push.current_dir(clone.path()))
    }

    pub fn clone_with_commit(&self) -> TempDir {
        let clone = TempDir::new().unwrap();
        let path = clone.path().to_str().unwrap();
        self.git(path, "init -q").succeeds();
        // Its name makes the commit another one than that of the push before.
        let commit = format!("commit -q --allow-empty -m {path}");
        self.git(path, &commit).succeeds();
        clone
    }

    /// Starts the post-receive hook as git does.
    pub fn feed_hook(&self, repository: &str, input: &[u8]) -> Run {
        let mut hook = self.isolated("hooks/post-receive", "");
        feed(hook.current_dir(self.path(repository)), input)
    }

    /// A PATH with what install.sh needs, and of git, cargo, rustc and cc only these stubs.
    pub fn tools(&self, stubs: &[(&str, &str)]) -> PathBuf {
        let directory = self.path("tools");
        fs::create_dir(&directory).unwrap();
        for (name, script) in stubs {
            executable(&directory.join(name), &format!("#!/bin/sh\n{script}\n"));
        }
        let needed = "sh cat chmod cmp cp date id mkdir mv readlink rm sed";
        for name in needed.split(' ') {
            let path = std::env::var_os("PATH").unwrap();
            let mut places = std::env::split_paths(&path).map(|place| place.join(name));
            let tool = places.find(|tool| tool.exists()).unwrap();
            symlink(tool, directory.join(name)).unwrap();
        }
        directory
    }
}

/// The directory of the programs that cargo built for this test.
pub fn built() -> &'static str {
    let program = env!("CARGO_BIN_EXE_post-receive");
    program.strip_suffix("/post-receive").unwrap()
}

pub fn executable(path: &Path, script: &str) {
    write_program(path, script);
}

/// How a program ended and what it printed.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(command: &mut Command) -> Self {
        Self::from(command.ends())
    }

    pub fn succeeds(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    pub fn fails(&self, why: &str) -> &Self {
        assert_eq!(self.code, Some(1), "{self:?}");
        self.warns(why);
        self
    }

    pub fn prints(&self, what: &str) {
        assert!(self.stdout.contains(what), "no {what} in {self:?}");
    }

    pub fn warns(&self, what: &str) {
        assert!(self.stderr.contains(what), "no {what} in {self:?}");
    }

    /// That a dry run named every file that has changed, and printed nothing but changes.
    pub fn told_of(&self, before: &Tree, after: &Tree) {
        assert!(self.succeeds().stdout.lines().all(|line| line.starts_with("would ")), "{self:?}");
        let changed = |path: &&PathBuf| before.get(*path) != after.get(*path) && !path.is_dir();
        for path in before.keys().chain(after.keys()).filter(changed) {
            self.prints(&format!("'{}'", path.display()));
        }
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

pub fn feed(command: &mut Command, input: &[u8]) -> Run {
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Run::from(command.spawn().unwrap().ends_fed(input))
}

/// Every path below a directory with its kind, mode and content.
pub type Tree = BTreeMap<PathBuf, (u32, String)>;

pub fn tree(directory: &Path) -> Tree {
    let mut tree = Tree::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_symlink() {
            let target = fs::read_link(&path).unwrap();
            target.as_os_str().as_bytes().to_vec()
        } else if metadata.is_dir() {
            tree.extend(self::tree(&path));
            Vec::new()
        } else {
            fs::read(&path).unwrap()
        };
        tree.insert(path, (metadata.mode(), content.escape_ascii().to_string()));
    }
    tree
}
