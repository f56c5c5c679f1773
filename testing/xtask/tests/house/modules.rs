//! Which module of a crate imports which, read from the sources.
//!
//! Every path in `use`, in code and in macros that begins with `crate`, `super`, `self` or a module that is declared in the same
//! file leads into the module whose name is the longest beginning of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use syn::visit::{self, Visit};

/// A module's path within its crate. The crate's root has none.
pub(crate) type Module = Vec<String>;

/// The modules of a crate, without tests, and what each imports: apart from itself and the modules that it stands in, for what
/// those declare is for all within them.
pub(crate) struct Modules(BTreeMap<Module, BTreeSet<Module>>);

impl Modules {
    /// Reads the sources of a crate.
    pub(crate) fn read(src: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut open = vec![src.to_owned()];
        while let Some(path) = open.pop() {
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && !["tests", "bin"].contains(&name) {
                open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if name.ends_with(".rs") && name != "tests.rs" {
                let inner = path.strip_prefix(src).unwrap().with_extension("");
                let mut module: Module = inner.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
                if module == ["lib"] || module == ["main"] {
                    module.clear();
                }
                files.insert(module, std::fs::read_to_string(&path).unwrap());
            }
        }
        Self::of(&files)
    }

    /// The same of texts.
    pub(crate) fn of(files: &BTreeMap<Module, String>) -> Self {
        let imports = files.iter().map(|(own, text)| {
            let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{own:?}: {error}"));
            let mut paths = Paths::default();
            paths.visit_file(&file);
            let mut found: BTreeSet<Module> =
                paths.found.iter().filter_map(|path| paths.target(own, path, files)).collect();
            found.retain(|module| !own.starts_with(module));
            (own.clone(), found)
        });
        Self(imports.collect())
    }

    /// The folder that a module belongs to: its own if it has one.
    fn folder<'a>(&self, module: &'a [String]) -> &'a [String] {
        let has_children = self.0.keys().any(|other| other.len() > module.len() && other.starts_with(module));
        if has_children { module } else { module.split_last().map_or(&[], |(_, folder)| folder) }
    }

    /// Whether two modules are two subjects. A folder within a folder is a part of the same subject that was split for its size;
    /// only the crate's root is no subject.
    fn apart(&self, a: &[String], b: &[String]) -> bool {
        let (a, b) = (self.folder(a), self.folder(b));
        let within = !a.is_empty() && !b.is_empty() && (a.starts_with(b) || b.starts_with(a));
        a != b && !within
    }

    /// The circles of imports that go through more than one folder, one of each knot, as a way that ends where it began.
    pub(crate) fn circles(&self) -> Vec<String> {
        let reached: BTreeMap<_, _> = self.0.keys().map(|module| (module, self.reached(module))).collect();
        let mut circles = Vec::new();
        let mut seen: BTreeSet<&Module> = BTreeSet::new();
        for module in self.0.keys() {
            if seen.contains(module) {
                continue;
            }
            let knot: Vec<_> =
                reached[module].iter().copied().filter(|other| reached[other].contains(module)).collect();
            seen.extend(&knot);
            let mut pairs = knot.iter().flat_map(|a| knot.iter().map(move |b| (*a, *b)));
            if let Some((here, away)) = pairs.find(|(a, b)| self.apart(a, b)) {
                let way = self.way(here, away).into_iter().chain(self.way(away, here).into_iter().skip(1));
                circles.push(way.map(|module| module.join("::")).collect::<Vec<_>>().join(" -> "));
            }
        }
        circles
    }

    fn reached<'a>(&'a self, from: &'a Module) -> BTreeSet<&'a Module> {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(module) = open.pop() {
            open.extend(self.0[module].iter().filter(|next| seen.insert(*next)));
        }
        seen
    }

    /// A shortest way.
    fn way<'a>(&'a self, from: &'a Module, to: &Module) -> Vec<&'a Module> {
        let mut ways = VecDeque::from([vec![from]]);
        let mut seen = BTreeSet::new();
        while let Some(way) = ways.pop_front() {
            for next in &self.0[*way.last().unwrap()] {
                let longer = [way.as_slice(), &[next]].concat();
                if next == to {
                    return longer;
                }
                if seen.insert(next) {
                    ways.push_back(longer);
                }
            }
        }
        panic!("there is no way from {from:?} to {to:?}");
    }
}

/// The paths in a file.
#[derive(Default)]
struct Paths {
    found: Vec<Vec<String>>,
    children: BTreeSet<String>,
}

impl Paths {
    fn branches(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.branches(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) => self.found.push(with(&name.ident)),
            syn::UseTree::Rename(rename) => self.found.push(with(&rename.ident)),
            syn::UseTree::Glob(_) => self.found.push(before.to_vec()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.branches(item, before)),
        }
    }

    /// The module that a path leads into. None: it begins in another crate, or in the file itself.
    fn target(&self, own: &[String], path: &[String], files: &BTreeMap<Module, String>) -> Option<Module> {
        let begin = path.first()?;
        if !["crate", "super", "self"].contains(&begin.as_str()) && !self.children.contains(begin) {
            return None;
        }
        let mut full = own.to_vec();
        for part in path {
            match part.as_str() {
                "crate" => full.clear(),
                "super" => drop(full.pop()),
                "self" => {}
                _ => full.push(part.clone()),
            }
        }
        while !files.contains_key(&full) && !full.is_empty() {
            full.pop();
        }
        Some(full)
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    let cfg = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    cfg.filter_map(|cfg| cfg.meta.require_list().ok()).any(|list| list.tokens.to_string() == "test")
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            self.children.extend(item.content.is_none().then(|| item.ident.to_string()));
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.branches(&item.tree, &[]);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.found.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, makro: &'ast syn::Macro) {
        visit::visit_macro(self, makro);
        let is_part = |c: char| c.is_alphanumeric() || c.is_whitespace() || c == '_' || c == ':';
        let text = makro.tokens.to_string().replace(|c| !is_part(c), " ; ");
        for sentence in text.replace(" :: ", "::").split_whitespace().filter(|word| word.contains("::")) {
            self.found.push(sentence.split("::").map(str::to_owned).collect());
        }
    }
}
