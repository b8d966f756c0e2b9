//! EXEC lines.

use control::{
    command::{EXEC, ExecError, Forms, Output, Spec, USER_EXEC, need},
    protocol::ExecFn,
};

use super::{Counter, show::CountersView};

pub(super) const SPECS: &[Spec<ExecFn<Counter>>] = &[
    Spec {
        modes: &[&USER_EXEC, &EXEC],
        pattern: "show counters",
        help: &[("counters", "Counters")],
        forms: Forms::SetOnly,
        run: |counter, cx, _, _| Ok(Output::of(counter.view(cx), CountersView::text)),
    },
    Spec {
        modes: &[&EXEC],
        pattern: "counter <name:name> add <amount:1-1000>",
        help: &[
            ("counter", "Counter"),
            ("<name>", "Its name"),
            ("add", "Count further"),
            ("<amount>", "How far"),
        ],
        forms: Forms::SetOnly,
        run: |counter, cx, args, _| {
            let name = need(args.text("name"))?;
            if !counter.add(name, need(args.int("amount"))?, cx) {
                return Err(ExecError::new(format!("Counter: {name} does not exist")));
            }
            Ok(Output::default())
        },
    },
    Spec {
        modes: &[&EXEC],
        pattern: "clear counters",
        help: &[("clear", "Reset functions"), ("counters", "Counters")],
        forms: Forms::SetOnly,
        run: |counter, cx, _, _| {
            counter.clear(cx);
            Ok(Output::default())
        },
    },
];
