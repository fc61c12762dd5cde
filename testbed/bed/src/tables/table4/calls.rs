//! Calls of functions of the interface.
//!
//! What the functions are is read from the interface's own source: the public functions of its types, and those of no type. A call is
//! `Type::function(...)` or `function(...)` where the name was imported from it, or `value.function(...)` where the value is of
//! one of its types *as far as names tell*: parameters, fields and variables of such a type, and what its functions return.
//! Without the compiler's inference that is an approximation: a value whose type is only inferred elsewhere is not seen.

use super::source::{Source, attributes, is_test};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, Pat, Token};

/// The name of the interface's crate.
const CRATE: &str = "understudy_module";

/// The functions of the interface.
pub(super) struct Interface {
    /// By type and name: the type of the interface that comes back, if one does.
    methods: BTreeMap<String, BTreeMap<String, Option<String>>>,
    functions: BTreeSet<String>,
}

impl Interface {
    pub(super) fn read(src: &Path) -> Result<Interface, String> {
        let cannot = |why: &dyn std::fmt::Display| format!("{}: {why}", src.display());
        let mut files = Vec::new();
        for entry in std::fs::read_dir(src).map_err(|e| cannot(&e))? {
            let path = entry.map_err(|e| cannot(&e))?.path();
            if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).map_err(|e| cannot(&e))?;
                files.push(syn::parse_file(&text).map_err(|e| cannot(&e))?);
            }
        }
        let mut interface = Interface {
            methods: BTreeMap::new(),
            functions: BTreeSet::new(),
        };
        let items = || files.iter().flat_map(|file| &file.items);
        for item in items() {
            match item {
                syn::Item::Fn(f) if is_public(&f.vis) => {
                    interface.functions.insert(f.sig.ident.to_string());
                }
                syn::Item::Impl(i) if i.trait_.is_none() => {
                    if let Some(name) = last(&i.self_ty) {
                        interface.methods.entry(name).or_default();
                    }
                }
                _ => {}
            }
        }
        for item in items() {
            let syn::Item::Impl(i) = item else { continue };
            let (None, Some(name)) = (&i.trait_, last(&i.self_ty)) else {
                continue;
            };
            for item in &i.items {
                if let syn::ImplItem::Fn(f) = item
                    && is_public(&f.vis)
                {
                    let returns = match &f.sig.output {
                        syn::ReturnType::Type(_, of) => interface.type_in(of, &name),
                        syn::ReturnType::Default => None,
                    };
                    let methods = interface.methods.entry(name.clone()).or_default();
                    methods.insert(f.sig.ident.to_string(), returns);
                }
            }
        }
        match interface.methods.contains_key("Transaction") {
            true => Ok(interface),
            false => Err(cannot(&"this is not the interface: no Transaction")),
        }
    }

    /// The first type of the interface that is part of a type, however deep.
    fn type_in(&self, of: &syn::Type, this: &str) -> Option<String> {
        struct Find<'a>(&'a Interface, &'a str, Option<String>);
        impl<'ast> Visit<'ast> for Find<'_> {
            fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
                let name = segment.ident.to_string();
                let name = if name == "Self" {
                    self.1.to_owned()
                } else {
                    name
                };
                if self.2.is_none() && self.0.methods.contains_key(&name) {
                    self.2 = Some(name);
                }
                visit::visit_path_segment(self, segment);
            }
        }
        let mut find = Find(self, this, None);
        find.visit_type(of);
        find.2
    }
}

fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

/// The name of a type.
fn last(of: &syn::Type) -> Option<String> {
    match of {
        syn::Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        _ => None,
    }
}

/// What names mean in a whole crate.
#[derive(Default)]
pub(super) struct Names {
    /// What was imported from the interface, by the name it has here.
    imported: BTreeMap<String, String>,
    /// Fields that are of a type of the interface.
    fields: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn of(sources: &[Source], interface: &Interface) -> Names {
        struct Find<'a>(&'a Interface, Names);
        impl<'ast> Visit<'ast> for Find<'_> {
            fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
                if let syn::UseTree::Path(path) = &item.tree
                    && path.ident == CRATE
                {
                    import(&path.tree, &mut self.1.imported);
                }
            }
            fn visit_field(&mut self, field: &'ast syn::Field) {
                if let (Some(name), Some(of)) = (&field.ident, self.0.type_in(&field.ty, "")) {
                    self.1.fields.insert(name.to_string(), of);
                }
            }
        }
        let mut find = Find(interface, Names::default());
        sources
            .iter()
            .for_each(|source| find.visit_file(&source.file));
        find.1
    }
}

fn import(tree: &syn::UseTree, into: &mut BTreeMap<String, String>) {
    match tree {
        syn::UseTree::Path(path) => {
            into.insert(path.ident.to_string(), path.ident.to_string());
            import(&path.tree, into);
        }
        syn::UseTree::Name(name) => {
            into.insert(name.ident.to_string(), name.ident.to_string());
        }
        syn::UseTree::Rename(name) => {
            into.insert(name.rename.to_string(), name.ident.to_string());
        }
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| import(tree, into)),
        syn::UseTree::Glob(_) => {}
    }
}

/// Counts the calls in a file.
pub(super) fn count(file: &syn::File, interface: &Interface, names: &Names) -> usize {
    let mut calls = Calls {
        interface,
        names,
        scopes: Vec::new(),
        count: 0,
    };
    calls.visit_file(file);
    calls.count
}

struct Calls<'a> {
    interface: &'a Interface,
    names: &'a Names,
    /// The variables of each function that is being read, innermost last.
    scopes: Vec<BTreeMap<String, String>>,
    count: usize,
}

impl Calls<'_> {
    /// The type of the interface that a value is of, or holds.
    fn type_of(&self, value: &Expr) -> Option<String> {
        match value {
            Expr::Path(path) => {
                let name = path.path.get_ident()?.to_string();
                self.scopes
                    .iter()
                    .rev()
                    .find_map(|scope| scope.get(&name))
                    .cloned()
            }
            Expr::Field(field) => match &field.member {
                syn::Member::Named(name) => self.names.fields.get(&name.to_string()).cloned(),
                syn::Member::Unnamed(_) => self.type_of(&field.base),
            },
            Expr::MethodCall(call) => {
                let of = self.type_of(&call.receiver)?;
                match self
                    .interface
                    .methods
                    .get(&of)?
                    .get(&call.method.to_string())
                {
                    Some(returns) => returns.clone(),
                    // Of what holds it: `as_ref`, `clone`, `lock`, `get`.
                    None => Some(of),
                }
            }
            Expr::Call(call) => match self.function(&call.func)? {
                (Some(of), name) => self.interface.methods.get(&of)?.get(&name)?.clone(),
                (None, _) => None,
            },
            Expr::Reference(e) => self.type_of(&e.expr),
            Expr::Paren(e) => self.type_of(&e.expr),
            Expr::Try(e) => self.type_of(&e.expr),
            Expr::Await(e) => self.type_of(&e.base),
            Expr::Unary(e) => self.type_of(&e.expr),
            _ => None,
        }
    }

    /// The function of the interface that is called by this: its type, if it is of one, and its name.
    fn function(&self, called: &Expr) -> Option<(Option<String>, String)> {
        let Expr::Path(path) = called else {
            return None;
        };
        let segments: Vec<String> = path
            .path
            .segments
            .iter()
            .map(|s| s.ident.to_string())
            .collect();
        let (first, name) = (segments.first()?, segments.last()?.clone());
        let first = match first == CRATE {
            true => first,
            false => self.names.imported.get(first)?,
        };
        if segments.len() == 1 {
            return self
                .interface
                .functions
                .contains(first)
                .then(|| (None, first.clone()));
        }
        let of = &segments[segments.len() - 2];
        let of = self.names.imported.get(of).unwrap_or(of);
        match self.interface.methods.get(of) {
            Some(methods) => methods
                .contains_key(&name)
                .then(|| (Some(of.clone()), name)),
            None => self
                .interface
                .functions
                .contains(&name)
                .then_some((None, name)),
        }
    }

    /// All names in a pattern are of this type from now on.
    fn bind(&mut self, pattern: &Pat, of: Option<String>) {
        struct Idents(Vec<String>);
        impl<'ast> Visit<'ast> for Idents {
            fn visit_pat_ident(&mut self, ident: &'ast syn::PatIdent) {
                self.0.push(ident.ident.to_string());
                visit::visit_pat_ident(self, ident);
            }
        }
        let mut idents = Idents(Vec::new());
        idents.visit_pat(pattern);
        if let Some(scope) = self.scopes.last_mut() {
            for name in idents.0 {
                match &of {
                    Some(of) => scope.insert(name, of.clone()),
                    None => scope.remove(&name),
                };
            }
        }
    }

    fn enter(&mut self, signature: &syn::Signature) {
        self.scopes.push(BTreeMap::new());
        for input in &signature.inputs {
            if let syn::FnArg::Typed(typed) = input {
                self.bind(&typed.pat, self.interface.type_in(&typed.ty, ""));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Calls<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.enter(&function.sig);
        visit::visit_item_fn(self, function);
        self.scopes.pop();
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.enter(&function.sig);
        visit::visit_impl_item_fn(self, function);
        self.scopes.pop();
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        visit::visit_local(self, local);
        let of = match (&local.pat, &local.init) {
            (Pat::Type(typed), _) => self.interface.type_in(&typed.ty, ""),
            (_, Some(init)) => self.of_tuple(&local.pat, &init.expr),
            _ => None,
        };
        if !matches!((&local.pat, &local.init), (Pat::Tuple(_), Some(init)) if matches!(*init.expr, Expr::Tuple(_)))
        {
            self.bind(&local.pat, of);
        }
    }

    fn visit_expr_let(&mut self, e: &'ast syn::ExprLet) {
        visit::visit_expr(self, &e.expr);
        self.bind(&e.pat, self.type_of(&e.expr));
    }

    fn visit_expr_match(&mut self, e: &'ast syn::ExprMatch) {
        visit::visit_expr(self, &e.expr);
        let of = self.type_of(&e.expr);
        for arm in &e.arms {
            self.bind(&arm.pat, of.clone());
            visit::visit_arm(self, arm);
        }
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        for input in &closure.inputs {
            if let Pat::Type(typed) = input {
                self.bind(input, self.interface.type_in(&typed.ty, ""));
            }
        }
        visit::visit_expr_closure(self, closure);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        visit::visit_expr(self, &call.receiver);
        if let Some(of) = self.type_of(&call.receiver) {
            let methods = self.interface.methods.get(&of);
            if methods.is_some_and(|methods| methods.contains_key(&call.method.to_string())) {
                self.count += 1;
            } else {
                // `map`, `and_then` and the like give what is in the receiver.
                for argument in &call.args {
                    if let Expr::Closure(closure) = argument {
                        closure
                            .inputs
                            .iter()
                            .for_each(|input| self.bind(input, Some(of.clone())));
                    }
                }
            }
        }
        call.args
            .iter()
            .for_each(|argument| self.visit_expr(argument));
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        self.count += usize::from(self.function(&call.func).is_some());
        visit::visit_expr_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        // What is no list of expressions is not looked into.
        let parse = Punctuated::<Expr, Token![,]>::parse_terminated;
        if let Ok(arguments) = call.parse_body_with(parse) {
            arguments
                .iter()
                .for_each(|argument| Visit::visit_expr(self, argument));
        }
    }
}

impl Calls<'_> {
    /// Binds the names of `let (a, b) = (x, y)` one by one; otherwise the type of the value.
    fn of_tuple(&mut self, pattern: &Pat, value: &Expr) -> Option<String> {
        if let (Pat::Tuple(names), Expr::Tuple(values)) = (pattern, value) {
            let types: Vec<_> = values
                .elems
                .iter()
                .map(|value| self.type_of(value))
                .collect();
            for (name, of) in names.elems.iter().zip(types) {
                self.bind(name, of);
            }
            return None;
        }
        self.type_of(value)
    }
}
