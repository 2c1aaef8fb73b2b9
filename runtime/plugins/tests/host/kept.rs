//! What nodes keep, what they ask, and what they tell of themselves.

use super::*;

/// What a counter says: how many messages it has seen, and how many keys it keeps.
fn counted(node: &mut NodeInstance, payload: Json) -> Result<(i64, i64), ProcessError> {
    let outcome = node.process(&message(payload))?;
    let told = outcome.emissions[0].message.as_ref().unwrap();
    let number = |key| told.payload.at(key).and_then(Json::as_i64).unwrap();
    Ok((number("count"), number("keys")))
}

fn counter(memory: &SharedMemory) -> NodeInstance {
    let context = NodeContext {
        memory: memory.clone(),
        ..context(&Arc::new(Platform::default()), TenantId::generate())
    };
    NodeInstance::open(&rules("test/evil-guests.wasm"), "counter", "{}", context).unwrap()
}

#[test]
fn what_a_node_keeps_counts_only_if_the_call_succeeds() {
    let memory = SharedMemory::restore("counter/1", None);
    let mut node = counter(&memory);
    assert_eq!(
        counted(&mut node, json!({})).unwrap(),
        (1, 1),
        "what it wrote while opening does not count"
    );
    assert_eq!(counted(&mut node, json!({})).unwrap(), (2, 1), "seen by the next message at once");
    let change = memory.look().changes().unwrap();
    assert_eq!(change.replaces.as_deref(), Some("counter/1"));
    assert_eq!(change.entries.last().unwrap().1.as_deref(), Some(&2u64.to_be_bytes()[..]));

    let refused = counted(&mut node, json!({"take back": true, "timer": 5}));
    assert!(matches!(refused, Err(ProcessError::Rejected(_))), "{refused:?}");
    let flooded = counted(&mut node, json!({"flood": true}));
    assert!(
        matches!(&flooded, Err(ProcessError::Rejected(reason)) if reason.contains("1000 keys already")),
        "{flooded:?}"
    );
    let trapped = counted(&mut node, json!({"trap": true}));
    assert!(matches!(trapped, Err(ProcessError::Broken(_))), "{trapped:?}");
    assert_eq!(memory.look().changes(), None, "none of these calls has left a trace");

    let mut next = counter(&memory);
    assert_eq!(counted(&mut next, json!({})).unwrap(), (3, 1), "the memory outlives the instance");
}

#[test]
fn a_timer_that_has_fired_is_not_set_any_more() {
    let memory = SharedMemory::restore("counter/1", None);
    let mut node = counter(&memory);
    counted(&mut node, json!({"timer": 60_000})).unwrap();
    assert!(memory.look().timer("tell").is_some());
    let id = RuleNodeId::generate(TenantId::generate());
    let base = plugins::timer_message(id, "tell", 7);
    let outcome = node.on_timer("tell", &base).unwrap();
    assert_eq!(outcome.emissions[0].relation.as_str(), "Told");
    let told = outcome.emissions[0].message.as_ref().unwrap();
    assert_eq!((told.kind.as_str(), told.originator, told.ts_ms), ("TIMER", id.entity(), 7));
    assert_eq!(told.payload.at(""), Some(&json!({"told": 1, "name": "tell"})));
    assert_eq!(memory.look().timer("tell"), None);
    assert_eq!(memory.look().changes().unwrap().timers.last(), Some(&("tell".into(), None)));

    for (payload, is_set) in [
        (json!({"timer": 60_000, "cancel": true}), false),
        (json!({"timer": 60_000}), true),
        (json!({"cancel": true, "take back": true}), true),
    ] {
        let _ = counted(&mut node, payload.clone());
        assert_eq!(memory.look().timer("tell").is_some(), is_set, "{payload}");
    }
    memory.look().set("refuse timers", bytes::Bytes::new()).unwrap();
    memory.look().settle();
    memory.look().changes();
    assert!(node.on_timer("tell", &base).is_err());
    assert_eq!(
        memory.look().changes().unwrap().timers,
        vec![("tell".into(), None)],
        "it has fired, and failed"
    );
    assert!(counted(&mut node, json!({"timer": i64::MAX})).is_err());
}

#[test]
fn state_is_for_types_that_declare_it_and_costs_time() {
    assert!(rejected("undeclared-state").contains("declares no state-schema"));
    assert_eq!(broken("state-flood"), Fault::Time { budget_ms: 20 });
}

#[test]
fn what_a_guest_asks_about_is_of_its_own_tenant() {
    let (own, foreign) = (TenantId::generate(), TenantId::generate());
    let platform = Arc::new(Platform::default());
    let other = DeviceId::generate(foreign);
    let configuration = json!({"direction": "FROM", "relationType": "Contains", "checkForSingleEntity": true, "entityType": "DEVICE",
        "entityId": other.id.to_string()});
    let mut node = NodeInstance::open(
        &rules("filter.wasm"),
        "check-relation",
        &configuration.to_string(),
        context(&platform, own),
    )
    .unwrap();
    assert_eq!(relation(&node.process(&message(json!({}))).unwrap()), "True");
    assert_eq!(*platform.asked.lock(), [own], "the id of a foreign device names one of its own");
}

#[test]
fn a_guest_sees_no_tenant_but_its_own_and_no_users() {
    let own = TenantId::generate();
    let platform = Arc::new(Platform::default());
    let mut node = NodeInstance::open(
        &rules("enrichment.wasm"),
        "originator-fields",
        r#"{"dataMapping":{"name":"n"}}"#,
        context(&platform, own),
    )
    .unwrap();
    for (kind, id) in [
        (EntityKind::Tenant, TenantId::generate().0),
        (EntityKind::User, uuid::Uuid::now_v7()),
    ] {
        let mut from = Message::clone(&message(json!({})));
        from.originator = EntityId::new(own, kind, id);
        assert!(matches!(node.process(&Arc::new(from)), Err(ProcessError::Rejected(_))), "{kind:?}");
    }
    assert_eq!(*platform.asked.lock(), [], "the store is not even asked");
    let mut from = Message::clone(&message(json!({})));
    from.originator = EntityId::new(own, EntityKind::Tenant, own.0);
    assert!(matches!(node.process(&Arc::new(from)), Err(ProcessError::Rejected(_))));
    assert_eq!(*platform.asked.lock(), [TenantId::SYSTEM], "its own record is the system's");
}

#[test]
fn a_store_that_does_not_answer_is_not_the_guests_fault() {
    let own = TenantId::generate();
    let platform = Arc::new(Platform {
        silent: Some("it is out of fuel".to_owned()),
        ..Platform::default()
    });
    let mut node = NodeInstance::open(
        &rules("enrichment.wasm"),
        "originator-fields",
        r#"{"dataMapping":{"name":"n"}}"#,
        context(&platform, own),
    )
    .unwrap();
    let mut from = Message::clone(&message(json!({})));
    from.originator = DeviceId::generate(own).entity();
    let Err(ProcessError::Broken(fault)) = node.process(&Arc::new(from)) else {
        panic!("the message cannot be decided about")
    };
    assert_eq!(fault, Fault::Unanswered("it is out of fuel".to_owned()));
    assert!(!fault.is_its_own() && Fault::Stack.is_its_own());
}

#[test]
fn a_new_originator_brings_its_own_customer() {
    let own = TenantId::generate();
    let customer = uuid::Uuid::now_v7();
    let device = DeviceId::generate(own).entity();
    let record = EntityRecord {
        id: device,
        version: 1,
        name: "D".into(),
        subtype: String::new(),
        customer: Some(customer),
        body: json!({}),
    };
    let platform = Arc::new(Platform {
        entities: vec![record],
        ..Platform::default()
    });
    let mut node = NodeInstance::open(
        &rules("transformation.wasm"),
        "deduplication",
        r#"{"interval":1}"#,
        NodeContext {
            memory: SharedMemory::restore("pending-messages/1", None),
            ..context(&platform, own)
        },
    )
    .unwrap();
    let mut from = Message::clone(&message(json!({"t": 1})));
    from.originator = device;
    let ended = node.process(&Arc::new(from)).unwrap();
    assert!(ended.emissions.is_empty() && ended.effects.is_empty());
    let timer = plugins::timer_message(RuleNodeId::generate(own), &device.id.to_string(), 7);
    let left = node.on_timer(&device.id.to_string(), &timer).unwrap();
    let left = left.emissions[0].message.as_ref().unwrap();
    assert_eq!((left.originator, left.customer.map(|one| one.id)), (device, Some(customer)));
    assert_eq!(left.payload.json(), &json!({"t": 1}));
}

#[test]
fn figures_of_a_node_are_few() {
    let tenant = TenantId::generate();
    let id = ReleaseId {
        owner: tenant,
        component: "evil".into(),
        digest: Digest([1; 32]),
    };
    let release = Release::new(id, tenant, Places::new(1), None);
    let mut node = evil("figure-flood").released(Some(Arc::clone(&release)));
    node.process(&message(json!({}))).unwrap();
    node.process(&message(json!({}))).unwrap();
    let figures = release.state().figures;
    assert_eq!((figures.len(), figures["n0"]), (20, 2.0));
}

#[test]
fn questions_and_effects_have_limits() {
    assert!(matches!(broken("key-flood"), Fault::Trap(reason) if reason.contains("10000 keys")));
    for (wrong, says) in [
        ("type", "contains a zero"),
        ("long type", "300 bytes"),
        ("kind", "SPACESHIP"),
        ("name", "0 bytes"),
    ] {
        let mut node = open(&rules("test/evil-guests.wasm"), "bad-relation", json!({ "wrong": wrong })).unwrap();
        match node.process(&message(json!({}))) {
            Err(ProcessError::Rejected(reason)) => assert!(reason.contains(says), "{wrong}: {reason}"),
            other => panic!("{wrong}: {other:?}"),
        }
    }
}
