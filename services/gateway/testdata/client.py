"""A client of the ledger in Python's standard library alone: what it is answered, and how it is refused.

Run by the tests with the address of a ledger with the sample, and that of one whose bodies must arrive within a moment.
"""

import http.client
import json
import sys
import urllib.error
import urllib.request
import uuid

SERVICE = "/allied.api.v1.LedgerService/"
ledger, impatient = sys.argv[1:]


def call(method, request, content_type="application/json"):
    """Returns the HTTP status and the JSON of the reply."""
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    sent = urllib.request.Request(ledger + SERVICE + method, data=body, headers={"Content-Type": content_type})
    try:
        with urllib.request.urlopen(sent) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def check(what, truth):
    if not truth:
        sys.exit(f"not so: {what}")


def refused(status, code, says, answer):
    got, reply = answer
    check(f"{status} {code}: {got} {reply}", got == status and reply["code"] == code and says in reply["message"])
    problem = reply["details"][0]
    check(f"a problem with a remedy: {problem}", problem["type"] == "allied.api.v1.Problem" and problem["debug"]["remedy"])


def commitment(amount):
    value = {"basis": "donor_stated", "asset": "EUR/2@donor_stated", "amount": amount}
    line = {"category": "MIL.AIRDEF", "instrument": "grant", "values": [value]}
    return {
        "command_id": str(uuid.uuid4()), "donor": "FIN", "beneficiary": "UKR", "effective": "2024-03-01", "actor": "treasury",
        "commit_pledge": {"title": "Air defence", "commitments": [{"firmness": "firm", "line": line}]},
    }


def committed(at_least):
    """Returns what Finland committed to air defence, in cents: whole numbers have as many digits as they need."""
    got, reply = call("Balances", {"basis": "donor_stated", "stages": ["committed"], "reached": True, "donor": "FIN",
                                   "category": "MIL.AIRDEF", "asset": "EUR/2@donor_stated", "at_least": at_least})
    check(f"balances: {reply}", got == 200 and int(reply["position"]) >= int(at_least) and len(reply["rows"]) <= 1)
    return sum(int(row["amount"].replace(".", "")) for row in reply["rows"])


# The answers to commands.
before = committed(0)
command = commitment("12345678901234567890123456.25")
status, recorded = call("Submit", command)
check(f"recorded: {recorded}", status == 200 and recorded["outcome"] == "recorded" and recorded["position"] != "0")
status, repeated = call("Submit", command)
check(f"repeated: {repeated}", status == 200 and repeated["outcome"] == "repeated" and repeated["position"] == recorded["position"])
status, answer = call("Submit", commitment("1.234"))
check(f"refused: {answer}", status == 200 and answer["outcome"] == "refused" and answer["code"] == "bad_amount" and answer["remedy"])
status, answer = call("Submit", {})
check(f"nothing asked: {answer}", status == 200 and answer["outcome"] == "refused" and answer["code"] == "body_missing")
allocation = {"stream": recorded["stream"], "effective": "2024-04-01", "allocate_pledge": {"title": "Package", "line": {
    "category": "MIL.AIRDEF", "instrument": "grant", "values": [{"basis": "donor_stated", "asset": "EUR/2@donor_stated", "amount": "100.00"}]}}}
status, many = call("SubmitMany", {"commands": [commitment("7.00"), allocation, {"donor": "FIN"}, command]})
check(f"many: {many}", status == 200 and [a["outcome"] for a in many["answers"]] == ["recorded", "recorded", "refused", "repeated"])

# A balance that holds what was just recorded, to the cent.
position = max(int(answer["position"]) for answer in many["answers"])
check("all committed", committed(position) - before == 1234567890123456789012345625 + 700)

# Pages of pledges, each once.
streams, cursor = [], ""
while True:
    status, page = call("Pledges", {"limit": 30, "cursor": cursor, "at_least": int(position)})
    check(f"a page: {page}", status == 200 and len(page["pledges"]) <= 30)
    streams += [pledge["stream"] for pledge in page["pledges"]]
    cursor = page["next"]
    if not cursor:
        break
check("every pledge once", len(streams) == len(set(streams)) == int(page["total"]) and recorded["stream"] in streams)

# The events of one pledge.
status, events = call("Events", {"stream": recorded["stream"]})
check(f"events: {events}", status == 200 and events["end"] and [e["type"] for e in events["events"]] == [
    "allied.event.v1.PledgeCommitted", "allied.event.v1.PledgeAllocated"])
check(f"the first: {events['events'][0]}", events["events"][0]["event_id"] == recorded["event_ids"][0]
      and events["events"][0]["envelope"]["actor_claim"] == "unverified"
      and events["events"][0]["event"]["commitments"][0]["line"]["values"][0]["amount"] == "12345678901234567890123456.25")

# What is refused, and in which words.
refused(400, "invalid_argument", 'did you mean "donor"?', call("Submit", {"doner": "FIN"}))
refused(400, "invalid_argument", 'did you mean "stages"?', call("Balances", {"basis": "tracker", "stage": ["committed"]}))
refused(400, "invalid_argument", 'did you mean "committed"?', call("Balances", {"basis": "tracker", "stages": ["comitted"]}))
refused(400, "invalid_argument", "no stage is named", call("Balances", {}))
refused(400, "invalid_argument", "no pledge is named", call("Pledge", {}))
refused(404, "not_found", "list the payments", call("Payment", {"id": str(uuid.uuid4())}))
refused(413, "resource_exhausted", "split it into several requests", call("Submit", b" " * 10_000_000))
refused(415, "invalid_argument", "send JSON with the header Content-Type: application/json", call("Head", {}, "text/plain"))
refused(404, "not_found", SERVICE + "Balances", call("Balance", {}))

# A body that does not arrive.
connection = http.client.HTTPConnection(impatient.removeprefix("http://"), timeout=30)
connection.putrequest("POST", SERVICE + "Head")
connection.putheader("Content-Type", "application/json")
connection.putheader("Content-Length", "100")
connection.endheaders(b"{")
reply = connection.getresponse()
refused(408, "deadline_exceeded", "send it again", (reply.status, json.load(reply)))
print("all so")
