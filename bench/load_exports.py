"""Statements that invent events and what became of them: deliveries, attempts, rows of files, the record.

Those of one row for each event take the events from :first to :last, in the order of time: rows lie as if they had come so.
"""

from __future__ import annotations

from bench.load_people import CAMPAIGNS, CUSTOMER_OF_ORDER, PRODUCTS

# Three events for two orders, evenly over the days, the last one now.
EVENTS = f"""INSERT INTO events (id, event_key, customer_type, occurred_at, accepted_at, routed_at, order_key, customer_id,
        campaign_id, product_ids, test_card, order_snapshot)
    SELECT e, 'load-' || e, CASE WHEN o % 6 = 0 THEN 'partial' WHEN e % 3 = 0 THEN 'recurring_order' ELSE 'new_sale' END,
        at, at, at, upper(to_hex(o + 1048576)), customer, campaign, ARRAY[product], o % 70 = 0,
        jsonb_build_object('clientOrderId', upper(to_hex(o + 1048576)), 'orderId', o, 'campaignId', campaign,
            'campaignName', 'Lander ' || campaign, 'dateCreated', to_char(at, 'YYYY-MM-DD HH24:MI:SS'), 'customerId', customer,
            'firstName', 'Zoë', 'lastName', 'Søn', 'emailAddress', 'zoe' || customer || '@example.com',
            'phoneNumber', '(650) 555-1212', 'address1', '1 Main Street', 'city', 'Columbus', 'state', 'OH', 'country', 'US',
            'postalCode', '43004', 'ipAddress', '192.0.2.10', 'orderStatus', 'COMPLETE', 'orderTotal', (o % 300) || '.95',
            'currencyCode', 'USD', 'items', jsonb_build_array(jsonb_build_object('productId', product, 'name',
                'Widget ' || product, 'sku', 'W-' || product, 'qty', 1, 'price', (o % 300) || '.95')),
            'customFields', jsonb_build_object('favouriteColour', 'blue'))
    FROM (SELECT e, o, {CUSTOMER_OF_ORDER} AS customer, (1 + o % {CAMPAIGNS})::text AS campaign,
            (1 + o % {PRODUCTS})::text AS product,
            now() - make_interval(secs => :days * 86400.0 * (:events - e) / :events) AS at
        FROM (SELECT e, 1 + (e - 1) * 2 / 3 AS o FROM generate_series(CAST(:first AS bigint), :last) e) AS numbered) AS made"""

# Two receivers for each event, the one with an odd number and the one with an even one; the first ones get most.
DELIVERIES = """INSERT INTO deliveries (event_id, profile_id, state, reason, created_at, due_at, finished_at, tries, failures,
        lease_token, lease_until, leased_at)
    SELECT id, receiver, state,
        CASE state WHEN 'skipped' THEN CASE WHEN test_card THEN 'test card' ELSE 'order completed' END
            WHEN 'cancelled' THEN 'cancelled by olga@example.com: sent by hand' WHEN 'held' THEN 'a line break in a header' END,
        accepted_at,
        CASE WHEN state = 'pending' AND failures > 0 THEN now() + make_interval(mins => (60 * luck)::int) ELSE accepted_at
            + interval '15 minutes' END,
        CASE WHEN state IN ('delivered', 'skipped', 'cancelled') THEN accepted_at + make_interval(secs => 1 + 900 * luck) END,
        CASE WHEN state IN ('skipped', 'held') THEN 0 WHEN state = 'delivered' AND turn < 0.08 THEN 2 + (turn * 30)::int
            WHEN state IN ('delivered', 'leased') THEN 1 ELSE failures END,
        failures,
        CASE WHEN state = 'leased' THEN id END, CASE WHEN state = 'leased' THEN now() + interval '1 day' END,
        CASE WHEN state = 'leased' THEN now() END
    FROM (SELECT d.*,
            CASE WHEN state = 'pending' AND (closed = 'breaker' AND luck < 0.02 OR luck < 0.0045) THEN 1 + (40 * turn)::int
                ELSE 0 END AS failures
        FROM (SELECT e.*, r.id AS receiver, r.closed,
                CASE WHEN test_card OR customer_type = 'partial' AND luck > 0.8 THEN 'skipped'
                    WHEN accepted_at BETWEEN r.since AND r.until AND luck > 0.001 THEN 'pending'
                    WHEN accepted_at > now() - interval '1 minute' THEN 'leased'
                    WHEN accepted_at > now() - interval '15 minutes' THEN 'pending'
                    WHEN luck < 0.004 THEN 'cancelled' WHEN luck < 0.0045 THEN 'pending' WHEN luck < 0.0048 THEN 'held'
                    ELSE 'delivered' END AS state
            FROM (SELECT e.id, e.accepted_at, e.test_card, e.customer_type, side, random() AS luck, random() AS pick, random() AS turn
                FROM events e CROSS JOIN generate_series(1, 2) side WHERE e.id BETWEEN :first AND :last) AS e
            JOIN receivers r ON r.id = side + 2 * floor(CAST(:busy AS int) / 2 * power(pick, 3))) AS d) AS told
    ORDER BY id, receiver"""

# The last of a delivered one is a 200; each other try was refused or cut off.
ATTEMPTS = """INSERT INTO attempts (started_at, delivery_id, profile_id, lease_token, number, duration_ms, method, url, request_headers,
        request_body, status, response_headers, response_body, error, outcome)
    SELECT d.created_at + make_interval(secs => 5 * n * n), d.id, d.profile_id, d.id * 100 + n, n, 20 + d.id % 300,
        CASE WHEN p.is_json THEN 'POST' ELSE 'GET' END,
        'https://receiver-' || d.profile_id || '.example.com/leads' || CASE WHEN p.is_json THEN '' ELSE
            '?first_name=Zo%C3%AB&last_name=S%C3%B8n&email_address=zoe' || e.customer_id || '%40example.com&phone=6505551212' END,
        '[["User-Agent", "Waybill/1.0"], ["Accept", "*/*"], ["webhook-id", "wb_load"], ["webhook-timestamp", "1790000000"]]',
        CASE WHEN p.is_json THEN '{"first_name":"Zoë","last_name":"Søn","phone":"6505551212","email_address":"zoe'
            || e.customer_id || '@example.com"}' END,
        status, CASE WHEN status IS NULL THEN '[]' ELSE '[["Content-Type", "text/plain"], ["Server", "nginx"]]'::jsonb END,
        CASE WHEN status = 200 THEN 'ok' WHEN status IS NOT NULL THEN 'try later' END,
        CASE WHEN status IS NULL THEN 'timeout after 30 s' END, CASE WHEN status = 200 THEN 'delivered' ELSE 'failed' END
    FROM (SELECT d.*, n, CASE WHEN d.state = 'delivered' AND n = d.tries THEN 200
            ELSE (ARRAY[503, 503, 503, 503, 500, 500, 429, 404, 401, 302, NULL])[1 + (d.id + n) % 11] END AS status
        FROM deliveries d CROSS JOIN LATERAL generate_series(1, d.tries) n
        WHERE d.event_id BETWEEN :first AND :last AND d.state <> 'leased') AS d
    JOIN events e ON e.id = d.event_id
    JOIN (SELECT id, id % 3 = 0 AS is_json FROM receivers) AS p ON p.id = d.profile_id"""

# As the worker counts them: in two shares, as two processes would.
TALLIES = """INSERT INTO delivery_days (profile_id, day, share, delivered, failed, delivered_at, failed_at)
    SELECT profile_id, CAST(started_at AT TIME ZONE 'UTC' AS date), delivery_id % 2, count(*) FILTER (WHERE outcome = 'delivered'),
        count(*) FILTER (WHERE outcome <> 'delivered'), max(started_at) FILTER (WHERE outcome = 'delivered'),
        max(started_at) FILTER (WHERE outcome <> 'delivered')
    FROM attempts GROUP BY 1, 2, 3"""

FEW = """INSERT INTO deliveries (event_id, profile_id, state, created_at, due_at, finished_at, tries)
    SELECT e.id, r.id, 'delivered', e.accepted_at, e.accepted_at, e.accepted_at, 1
    FROM events e CROSS JOIN receivers r WHERE e.id <= 7 AND r.id > :busy AND r.id <= :busy + (:postbacks - :busy) / 2"""
"""A handful of deliveries, all of them old: what no walk through the latest ones finds."""

# A run a day for each route of files; every tenth event stands in one of them, today's still wait.
RUNS = """INSERT INTO runs (id, profile_id, route_id, slot, slot_at, period, state, due_at, tries, snapshot, claimed_at,
        written_at, file_name, orders, rows, bytes, sha256, bytes_gone_at)
    SELECT (p.id - :postbacks - 1) * :days + day + 1, p.id, p.id, to_char(at, 'YYYY-MM-DD') || ' 1', at, at::date, 'written',
        at, 1, jsonb_build_object('name', p.name, 'settings', p.settings), at, at + interval '3 seconds',
        'new_sales_' || to_char(at, 'YYYYMMDD') || '_' || p.id || '.csv', 100, 100, 20000, repeat('ab', 32), at + interval '30 days'
    FROM profiles p CROSS JOIN generate_series(0, :days - 1) day
    CROSS JOIN LATERAL (SELECT date_trunc('day', now()) - make_interval(days => :days - 1 - day) AS at) AS slot
    WHERE p.id > :postbacks"""

UPLOADS = """INSERT INTO uploads (run_id, profile_id, state, destination, phase, remote_name, due_at, tries, finished_at)
    SELECT r.id, r.profile_id, 'delivered', 'ftp://files.example.com', 'done', '/in/' || r.file_name, r.due_at, 1, r.written_at
    FROM runs r JOIN profiles p ON p.id = r.profile_id WHERE p.export_type = 'ftp'"""

FILE_ITEMS = """INSERT INTO file_items (route_id, event_id, ready_at, created_at, run_id)
    SELECT route, id, accepted_at, accepted_at, CASE WHEN day < :days THEN (route - :postbacks - 1) * :days + day + 1 END
    FROM (SELECT e.id, e.accepted_at, :postbacks + 1 + e.id / 10 % (CAST(:profiles AS int) - :postbacks) AS route,
            :days - (date_trunc('day', now())::date - e.accepted_at::date) AS day
        FROM events e WHERE e.id BETWEEN :first AND :last AND e.id % 10 = 0 AND NOT e.test_card) AS owed"""

RECORD = """INSERT INTO audit_lines (at, actor, act, target, note)
    SELECT now() - make_interval(secs => :days * 86400.0 * (:deliveries / 50 - n) / (:deliveries / 50)), 'olga@example.com',
        (ARRAY['signed in', 'sent again', 'changed', 'cancelled'])[1 + n % 4],
        CASE WHEN n % 4 = 0 THEN 'person olga@example.com' ELSE 'delivery ' || n END, NULL
    FROM generate_series(1, CAST(:deliveries AS bigint) / 50) n"""

JOBS = """INSERT INTO jobs (kind, state, arguments, done, total, created_by, created_at, finished_at)
    SELECT CASE WHEN n % 2 = 0 THEN 'replay' ELSE 'backfill' END, 'done',
        CASE WHEN n % 2 = 0 THEN '{"filters": {"state": "cancelled"}, "up_to": 1, "per_second": null}' ELSE '{}' END::jsonb,
        100, 100, 'olga@example.com', now(), now() FROM generate_series(1, 2000) n"""

NUMBERS_GO_ON = tuple(
    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
    for table in ("profiles", "routes", "events", "runs")
)
