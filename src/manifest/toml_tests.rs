//! What a TOML manifest gives, and where its mistakes are said to be.

use super::*;

fn read(text: &str) -> Document {
    parse(&"m.toml".into(), text.to_owned()).unwrap()
}

fn told(text: &str) -> Vec<String> {
    parse(&"m.toml".into(), text.to_owned()).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn tables_are_read_with_exact_money_and_types() {
    let document = read(
        "[batch]\nname='b'\nbudget=0.10\n[run]\nconcurrency=4\n[defaults]\nprice=0.1000000\nn=[1,0xF]\n[[job]]\nid=7\nvars={hero='x'}\n",
    );
    assert_eq!(document.batch.budget, Some(Micros(100_000)));
    assert_eq!(document.batch.name.unwrap().text, "b");
    let fields: Vec<_> = document.defaults.iter().map(|f| f.value.to_string()).collect();
    assert_eq!(fields, ["\"0.1000000\"", "[1,15]"]);
    assert_eq!(document.jobs[0].fields[0].value, "7");
    assert_eq!(document.jobs[0].fields[1].slot, Slot::Var("hero".into()));
    let run = document.run.unwrap();
    let (key, value, at) = run.entries().next().unwrap();
    assert_eq!((key, value.as_integer()), ("concurrency", Some(4)));
    assert_eq!(at.to_string(), "m.toml:5:1");
}

#[test]
fn axes_keep_the_order_of_the_file() {
    let document = read("[matrix]\nb=[1,2]\na=['x','y','z']\n");
    assert_eq!(document.axes.crossings(), 6);
    assert_eq!(document.axes.id_template("i"), "i-{{ b }}-{{ a }}");
}

#[test]
fn all_syntax_mistakes_are_told_at_once() {
    let told = told("a = \nb = 1\nc = 'x\nd = 01x\n");
    assert!(told.len() >= 3, "{told:?}");
    assert!(told[0].starts_with("m.toml:1:"), "{told:?}");
    assert!(told[1].starts_with("m.toml:3:"), "{told:?}");
}

#[test]
fn unknown_names_are_answered_with_the_nearest() {
    let told = told("model='x'\n[bach]\n[batch]\nbudge=1\nname=3\n[job]\n");
    assert_eq!(
        told,
        [
            "m.toml:1:1: unknown table `model`; it belongs under [defaults] or [[job]]",
            "m.toml:2:2: unknown table `bach`, did you mean `batch`?",
            "m.toml:4:1: unknown key `budge` in [batch], did you mean `budget`?",
            "m.toml:5:6: expected a string, found a whole number",
            "m.toml:6:1: write [[job]] with two brackets, once for each job",
        ]
    );
}

#[test]
fn values_of_the_wrong_type_are_told_with_their_field() {
    let told = told(
        "[batch]\nbudget=true\n[matrix]\na=[]\nb=3\nc=[[1]]\nrow=[1]\n[[job]]\ncount='x'\nprompt=3\nwhen=2026-01-01\nx=nan\nmodel=1\n",
    );
    assert_eq!(
        told,
        [
            "m.toml:2:8: expected an amount of dollars such as 12.50, found a boolean",
            "m.toml:4:3: the axis `a` is empty; every job would be crossed away",
            "m.toml:5:3: the axis `b` must be a list, found a whole number",
            "m.toml:6:4: a value of an axis must be a scalar or a table, found a list",
            "m.toml:7:1: the variable `row` is nightreel's own; choose another name",
            "m.toml:9:7: `count`: expected a whole number, found a string",
            "m.toml:10:8: `prompt`: expected a string, found a whole number",
            "m.toml:11:6: `when`: a date has no JSON form; write it as a string",
            "m.toml:12:3: `x`: this number has no JSON form; write it as a string",
            "m.toml:13:7: `model`: expected a string, found a whole number",
        ]
    );
}

#[test]
fn misspelt_fields_are_told_where_the_right_one_is_absent() {
    let document = read(
        "[defaults]\nmode='pro'\n[[job]]\npromt='x'\nmodel='m'\n[[job]]\nprompt='x'\npromt='y'\n",
    );
    let told: Vec<_> = document.misspelt(&[]).iter().map(ToString::to_string).collect();
    assert_eq!(told, ["m.toml:4:1: unknown key `promt`, did you mean `prompt`?"]);
    let document = read("[defaults]\nmode='pro'\n");
    assert_eq!(document.misspelt(&[Slot::Model]).len(), 0);
    assert_eq!(document.misspelt(&[]).len(), 1);
}
