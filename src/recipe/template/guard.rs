//! The guard of templates: rebuilds a template before it runs, so that every operation that can make a large value goes through
//! a filter with a limit. The names of these filters begin with `=`, which no template can write.

use std::collections::BTreeSet;

use minijinja::machinery::ast::{
    BinOp, BinOpKind, Call, CallArg, Compare, CompareOp, Const, EmitExpr, Expr, Filter, FilterBlock, ForLoop, GetAttr,
    GetItem, IfCond, IfExpr, List, Map, Set, SetBlock, Slice, Spanned, Stmt, Template, Test, Tuple, UnaryOp,
    UnaryOpKind, Var, WithBlock,
};
use minijinja::machinery::{Span, Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Error, ErrorKind, Value};

/// Most words and signs between `{{` and `}}`: more could nest too deep.
const MAX_TOKENS: usize = 400;

/// Most `elif` of a template: each is nested in the one before.
const MAX_ELIF: usize = 50;

/// Filter that counts a value which is compared, searched or gone through.
pub(super) const LOOK: &str = "=look";
/// Filter that counts a text of which one character is taken.
pub(super) const LOOK_AT_TEXT: &str = "=look-at-text";
/// Filter that counts a new value, and how deep it nests.
pub(super) const MADE: &str = "=made";
/// Filters for the operators that can make a large value.
pub(super) const ADD: &str = "=+";
pub(super) const REPEAT: &str = "=*";
pub(super) const JOIN: &str = "=~";

/// Refuses a template with so many words, signs or `elif` that the parser would nest too deep.
pub(super) fn require_small(text: &str, expression: bool, syntax: &SyntaxConfig) -> Result<(), Error> {
    let (mut count, mut elif) = (0, 0);
    for token in tokenize(text, expression, syntax.clone()) {
        // The parser reports errors.
        let Ok((token, _)) = token else { return Ok(()) };
        count = match token {
            Token::VariableStart | Token::BlockStart | Token::TemplateData(_) => 0,
            _ => count + 1,
        };
        elif += usize::from(matches!(token, Token::Ident("elif")));
        if count > MAX_TOKENS {
            let message = format!("an expression has more than {MAX_TOKENS} words and signs");
            return Err(Error::new(ErrorKind::SyntaxError, message));
        }
        if elif > MAX_ELIF {
            return Err(Error::new(ErrorKind::SyntaxError, format!("there are more than {MAX_ELIF} `elif`")));
        }
    }
    Ok(())
}

/// A template that is being rebuilt: the names that it uses and sets, and what was refused.
#[derive(Default)]
pub(super) struct Guard {
    used: BTreeSet<String>,
    set: BTreeSet<String>,
    refused: Option<(&'static str, Span)>,
}

fn at<T>(node: T, span: Span) -> Spanned<T> {
    Spanned::new(node, span)
}

/// Puts a value through a filter.
fn through<'a>(name: &'static str, expr: Expr<'a>, args: Vec<CallArg<'a>>) -> Expr<'a> {
    let span = expr.span();
    through_at(name, expr, args, span)
}

fn through_at<'a>(name: &'static str, expr: Expr<'a>, args: Vec<CallArg<'a>>, span: Span) -> Expr<'a> {
    Expr::Filter(at(Filter { name, expr: Some(expr), args }, span))
}

impl Guard {
    /// Names of variables that are used and not set by the template.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.used.difference(&self.set).filter(|name| *name != "loop")
    }

    /// Returns why and where the template was first refused.
    pub(super) fn refused(&self) -> Option<(&'static str, Span)> {
        self.refused
    }

    fn refuse(&mut self, why: &'static str, span: Span) {
        self.refused.get_or_insert((why, span));
    }

    pub(super) fn statement<'a>(&mut self, statement: &Stmt<'a>) -> Stmt<'a> {
        match statement {
            Stmt::Template(node) => Stmt::Template(at(Template { children: self.body(&node.children) }, node.span())),
            Stmt::EmitExpr(node) => Stmt::EmitExpr(at(EmitExpr { expr: self.expression(&node.expr) }, node.span())),
            // As an expression it goes through the formatter, which counts it.
            Stmt::EmitRaw(node) => {
                let expr = Expr::Const(at(Const { value: Value::from(node.raw) }, node.span()));
                Stmt::EmitExpr(at(EmitExpr { expr }, node.span()))
            }
            Stmt::ForLoop(node) => {
                if node.recursive {
                    self.refuse("loops that call themselves are not supported", node.span());
                }
                let iter = self.expression(&node.iter);
                let loops = ForLoop {
                    target: self.target(&node.target),
                    iter: through(LOOK, iter, Vec::new()),
                    filter_expr: node.filter_expr.as_ref().map(|expr| self.expression(expr)),
                    recursive: false,
                    body: self.body(&node.body),
                    else_body: self.body(&node.else_body),
                };
                Stmt::ForLoop(at(loops, node.span()))
            }
            Stmt::IfCond(node) => {
                let condition = IfCond {
                    expr: self.expression(&node.expr),
                    true_body: self.body(&node.true_body),
                    false_body: self.body(&node.false_body),
                };
                Stmt::IfCond(at(condition, node.span()))
            }
            Stmt::WithBlock(node) => {
                let assignments = node.assignments.iter();
                let assignments =
                    assignments.map(|(target, expr)| (self.target(target), self.expression(expr))).collect();
                Stmt::WithBlock(at(WithBlock { assignments, body: self.body(&node.body) }, node.span()))
            }
            Stmt::Set(node) => {
                let set = Set { target: self.target(&node.target), expr: self.expression(&node.expr) };
                Stmt::Set(at(set, node.span()))
            }
            Stmt::SetBlock(node) => {
                let set = SetBlock {
                    target: self.target(&node.target),
                    filter: node.filter.as_ref().map(|filter| self.expression(filter)),
                    body: self.body(&node.body),
                };
                Stmt::SetBlock(at(set, node.span()))
            }
            Stmt::FilterBlock(node) => {
                let block = FilterBlock { filter: self.expression(&node.filter), body: self.body(&node.body) };
                Stmt::FilterBlock(at(block, node.span()))
            }
            Stmt::AutoEscape(node) => {
                self.nothing("`autoescape` is not supported: no template makes HTML", node.span())
            }
            Stmt::Do(node) => self.nothing("`do` is not supported: nothing can be changed by a call", node.span()),
        }
    }

    fn nothing<'a>(&mut self, why: &'static str, span: Span) -> Stmt<'a> {
        self.refuse(why, span);
        Stmt::Template(at(Template { children: Vec::new() }, span))
    }

    fn body<'a>(&mut self, statements: &[Stmt<'a>]) -> Vec<Stmt<'a>> {
        statements.iter().map(|statement| self.statement(statement)).collect()
    }

    /// Rebuilds the target of an assignment.
    fn target<'a>(&mut self, target: &Expr<'a>) -> Expr<'a> {
        match target {
            Expr::Var(node) => {
                self.set.insert(node.id.to_owned());
                Expr::Var(at(Var { id: node.id }, node.span()))
            }
            Expr::List(node) => {
                let items = node.items.iter().map(|item| self.target(item)).collect();
                Expr::List(at(List { items }, node.span()))
            }
            Expr::Tuple(node) => {
                let items = node.items.iter().map(|item| self.target(item)).collect();
                Expr::Tuple(at(Tuple { items }, node.span()))
            }
            other => {
                self.refuse("only a name can be set", other.span());
                Expr::Var(at(Var { id: "" }, other.span()))
            }
        }
    }

    pub(super) fn expression<'a>(&mut self, expr: &Expr<'a>) -> Expr<'a> {
        let span = expr.span();
        match expr {
            Expr::Var(node) => {
                self.used.insert(node.id.to_owned());
                Expr::Var(at(Var { id: node.id }, span))
            }
            Expr::Const(node) => Expr::Const(at(Const { value: node.value.clone() }, span)),
            Expr::Slice(node) => {
                let sliced = Slice {
                    expr: self.seen(&node.expr),
                    start: self.maybe(node.start.as_ref()),
                    stop: self.maybe(node.stop.as_ref()),
                    step: self.maybe(node.step.as_ref()),
                };
                Expr::Slice(at(sliced, span))
            }
            Expr::UnaryOp(node) => {
                #[expect(clippy::needless_match, reason = "it cannot be copied")]
                let op = match node.op {
                    UnaryOpKind::Not => UnaryOpKind::Not,
                    UnaryOpKind::Neg => UnaryOpKind::Neg,
                };
                Expr::UnaryOp(at(UnaryOp { op, expr: self.expression(&node.expr) }, span))
            }
            Expr::BinOp(node) => self.operation(node, span),
            Expr::Compare(node) => {
                let ops = |op: &CompareOp<'a>, guard: &mut Self| CompareOp { op: op.op, expr: guard.seen(&op.expr) };
                let expr = self.seen(&node.expr);
                let ops = node.ops.iter().map(|op| ops(op, self)).collect();
                Expr::Compare(at(Compare { expr, ops }, span))
            }
            Expr::IfExpr(node) => {
                let chosen = IfExpr {
                    test_expr: self.expression(&node.test_expr),
                    true_expr: self.expression(&node.true_expr),
                    false_expr: self.maybe(node.false_expr.as_ref()),
                };
                Expr::IfExpr(at(chosen, span))
            }
            Expr::Filter(node) => {
                let expr = self.maybe(node.expr.as_ref());
                Expr::Filter(at(Filter { name: node.name, expr, args: self.arguments(&node.args) }, span))
            }
            Expr::Test(node) => {
                // `defined` and `undefined` accept values that do not exist.
                let expr = match node.name {
                    "defined" | "undefined" => self.expression(&node.expr),
                    _ => self.seen(&node.expr),
                };
                Expr::Test(at(Test { name: node.name, expr, args: self.arguments(&node.args) }, span))
            }
            Expr::GetAttr(node) => {
                Expr::GetAttr(at(GetAttr { expr: self.expression(&node.expr), name: node.name }, span))
            }
            Expr::GetItem(node) => {
                let expr = through(LOOK_AT_TEXT, self.expression(&node.expr), Vec::new());
                Expr::GetItem(at(GetItem { expr, subscript_expr: self.expression(&node.subscript_expr) }, span))
            }
            Expr::Call(node) => {
                let call = Call { expr: self.expression(&node.expr), args: self.arguments(&node.args) };
                through(MADE, Expr::Call(at(call, span)), Vec::new())
            }
            Expr::List(node) => {
                let items = node.items.iter().map(|item| self.expression(item)).collect();
                through(MADE, Expr::List(at(List { items }, span)), Vec::new())
            }
            Expr::Tuple(node) => {
                let items = node.items.iter().map(|item| self.expression(item)).collect();
                through(MADE, Expr::Tuple(at(Tuple { items }, span)), Vec::new())
            }
            Expr::Map(node) => {
                let keys = node.keys.iter().map(|key| self.expression(key)).collect();
                let values = node.values.iter().map(|value| self.expression(value)).collect();
                through(MADE, Expr::Map(at(Map { keys, values }, span)), Vec::new())
            }
        }
    }

    fn maybe<'a>(&mut self, expr: Option<&Expr<'a>>) -> Option<Expr<'a>> {
        expr.map(|expr| self.expression(expr))
    }

    /// Rebuilds an operand that is read as a whole.
    fn seen<'a>(&mut self, expr: &Expr<'a>) -> Expr<'a> {
        through(LOOK, self.expression(expr), Vec::new())
    }

    fn operation<'a>(&mut self, node: &Spanned<BinOp<'a>>, span: Span) -> Expr<'a> {
        let name = match node.op {
            BinOpKind::Add => ADD,
            BinOpKind::Mul => REPEAT,
            BinOpKind::Concat => JOIN,
            op => {
                let looks = matches!(
                    op,
                    BinOpKind::In
                        | BinOpKind::Eq
                        | BinOpKind::Ne
                        | BinOpKind::Lt
                        | BinOpKind::Lte
                        | BinOpKind::Gt
                        | BinOpKind::Gte
                );
                let mut side = |expr| if looks { self.seen(expr) } else { self.expression(expr) };
                return Expr::BinOp(at(BinOp { op, left: side(&node.left), right: side(&node.right) }, span));
            }
        };
        let (left, right) = (self.expression(&node.left), self.expression(&node.right));
        through_at(name, left, vec![CallArg::Pos(right)], span)
    }

    fn arguments<'a>(&mut self, args: &[CallArg<'a>]) -> Vec<CallArg<'a>> {
        let mut one = |arg: &CallArg<'a>| match arg {
            CallArg::Pos(expr) => CallArg::Pos(self.expression(expr)),
            CallArg::Kwarg(name, expr) => CallArg::Kwarg(name, self.expression(expr)),
            CallArg::PosSplat(expr) => CallArg::PosSplat(self.seen(expr)),
            CallArg::KwargSplat(expr) => CallArg::KwargSplat(self.seen(expr)),
        };
        args.iter().map(&mut one).collect()
    }
}
