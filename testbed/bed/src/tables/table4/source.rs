//! The files of a crate, and what is counted of one without knowing the interface.
//!
//! Awkward case: a comment is no token, but a documentation comment is one, as an attribute `#[doc = "..."]`; it is no code here.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A file.
pub(super) struct Source {
    pub(super) file: syn::File,
    pub(super) total: usize,
    pub(super) code: usize,
}

/// Reads a file and all that it reaches by `mod`.
pub(super) fn reach(path: &Path, into: &mut Vec<Source>) -> Result<(), String> {
    let why = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| why(&e))?;
    let file = syn::parse_file(&text).map_err(|e| why(&e))?;
    let tokens: TokenStream = text.parse().map_err(|e| why(&e))?;
    let tests = Tests::of(&file);
    let is_test = |line: &usize| tests.iter().any(|lines| lines.contains(line));
    let mut code = BTreeSet::new();
    lines_of(tokens, &mut code);
    let (total, code) = (
        (1..=text.lines().count()).filter(|l| !is_test(l)).count(),
        code.iter().filter(|l| !is_test(l)).count(),
    );
    let beyond: Vec<PathBuf> = file
        .items
        .iter()
        .filter_map(|item| beyond(item, path))
        .collect();
    into.push(Source { file, total, code });
    beyond.iter().try_for_each(|path| reach(path, into))
}

/// The file of a `mod name;`.
fn beyond(item: &syn::Item, path: &Path) -> Option<PathBuf> {
    let syn::Item::Mod(module) = item else {
        return None;
    };
    if module.content.is_some() || is_test(&module.attrs) {
        return None;
    }
    let directory = path.parent()?;
    if let Some(named) = module.attrs.iter().find_map(path_of) {
        return Some(directory.join(named));
    }
    let roots = ["lib", "main", "mod"];
    let stem = path.file_stem()?.to_str()?;
    let directory = match roots.contains(&stem) || directory.ends_with("bin") {
        true => directory.to_owned(),
        false => directory.join(stem),
    };
    let name = module.ident.to_string();
    let file = directory.join(&name).with_extension("rs");
    Some(match file.exists() {
        true => file,
        false => directory.join(name).join("mod.rs"),
    })
}

/// The path of `#[path = "..."]`.
fn path_of(attribute: &syn::Attribute) -> Option<String> {
    let syn::Meta::NameValue(named) = &attribute.meta else {
        return None;
    };
    match &named.value {
        syn::Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(path),
            ..
        }) if named.path.is_ident("path") => Some(path.value()),
        _ => None,
    }
}

/// Whether this is for tests alone.
pub(super) fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Ident>()
                    .is_ok_and(|what| what == "test")
    })
}

/// The attributes of an item.
pub(super) fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(i) => &i.attrs,
        syn::Item::Enum(i) => &i.attrs,
        syn::Item::Fn(i) => &i.attrs,
        syn::Item::Impl(i) => &i.attrs,
        syn::Item::Macro(i) => &i.attrs,
        syn::Item::Mod(i) => &i.attrs,
        syn::Item::Static(i) => &i.attrs,
        syn::Item::Struct(i) => &i.attrs,
        syn::Item::Trait(i) => &i.attrs,
        syn::Item::Type(i) => &i.attrs,
        syn::Item::Use(i) => &i.attrs,
        _ => &[],
    }
}

/// The lines of what is for tests.
#[derive(Default)]
struct Tests(Vec<RangeInclusive<usize>>);

impl Tests {
    fn of(file: &syn::File) -> Vec<RangeInclusive<usize>> {
        let mut tests = Tests::default();
        tests.visit_file(file);
        tests.0
    }
}

impl<'ast> Visit<'ast> for Tests {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_test(attributes(item)) {
            let span = item.span();
            self.0.push(span.start().line..=span.end().line);
        } else {
            visit::visit_item(self, item);
        }
    }
}

/// The lines that tokens are on.
fn lines_of(tokens: TokenStream, lines: &mut BTreeSet<usize>) {
    let mut add = |span: Span| lines.extend(span.start().line..=span.end().line);
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if let Some(length) = documentation(&tokens[at..]) {
            at += length;
            continue;
        }
        match token {
            TokenTree::Group(group) => {
                add(group.span_open());
                add(group.span_close());
            }
            other => add(other.span()),
        }
        at += 1;
    }
    for token in tokens {
        if let TokenTree::Group(group) = token
            && !is_documentation(&group)
        {
            lines_of(group.stream(), lines);
        }
    }
}

/// How many tokens of a documentation comment begin here.
fn documentation(tokens: &[TokenTree]) -> Option<usize> {
    let is = |token: Option<&TokenTree>, what| matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == what);
    let at = match (is(tokens.first(), '#'), is(tokens.get(1), '!')) {
        (true, true) => 2,
        (true, false) => 1,
        _ => return None,
    };
    match tokens.get(at) {
        Some(TokenTree::Group(group)) if is_documentation(group) => Some(at + 1),
        _ => None,
    }
}

fn is_documentation(group: &proc_macro2::Group) -> bool {
    let mut inner = group.stream().into_iter();
    group.delimiter() == Delimiter::Bracket
        && matches!(inner.next(), Some(TokenTree::Ident(doc)) if doc == "doc")
        && matches!(inner.next(), Some(TokenTree::Punct(is)) if is.as_char() == '=')
}

/// Counts statements: `let`, expressions and macro calls in blocks, and arms of `match` that are no blocks.
#[derive(Default)]
pub(super) struct Statements(usize);

impl Statements {
    pub(super) fn of(file: &syn::File) -> usize {
        let mut statements = Statements::default();
        statements.visit_file(file);
        statements.0
    }
}

impl<'ast> Visit<'ast> for Statements {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast syn::Stmt) {
        self.0 += usize::from(!matches!(statement, syn::Stmt::Item(_)));
        visit::visit_stmt(self, statement);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        self.0 += usize::from(!matches!(*arm.body, syn::Expr::Block(_)));
        visit::visit_arm(self, arm);
    }
}
