"""Uses REST with Python's standard library: python3 client.py http://127.0.0.1:8080"""

import csv
import io
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

url = sys.argv[1]


def get(path, **parameters):
    """The reply to a GET. A list of values repeats its parameter."""
    return urllib.request.urlopen(url + path + "?" + urllib.parse.urlencode(parameters, doseq=True))


def submit(command, key):
    """The answer to a command. With its key it can be sent again whenever the answer was lost."""
    request = urllib.request.Request(
        url + "/v1/commands", json.dumps(command).encode(), {"Content-Type": "application/json", "Idempotency-Key": key}
    )
    return json.load(urllib.request.urlopen(request))


command = {
    "donor": "NOR", "beneficiary": "UKR", "effective": "2024-09-02", "actor": "treasury",
    "commit_pledge": {"title": "Radar", "commitments": [{"firmness": "firm", "line": {
        "category": "MIL.AIRDEF", "instrument": "grant",
        "values": [{"basis": "donor_stated", "asset": "EUR/2@donor_stated", "amount": "1250000.50"}],
    }}]},
}
answer = submit(command, "0190d000-0000-7000-8000-0000000000e1")
print("the second time:", submit(command, "0190d000-0000-7000-8000-0000000000e1")["outcome"])

# Read balances that hold the command.
balances = json.load(get(
    "/v1/balances", basis="donor_stated", stages=["committed"], donor="NOR", asset="EUR/2@donor_stated", at_least=answer["position"]
))
for row in balances["rows"]:
    print(row["stage"], row["amount"], row["asset"])

# Page through the pledges.
count, pages, more = 0, 0, {}
while True:
    page = json.load(get("/v1/pledges", limit=50, at_least=answer["position"], **more))
    count, pages, more = count + len(page["pledges"]), pages + 1, {"cursor": page["next"]}
    if not page["next"]:
        break
print(count, "pledges on", pages, "pages")

# Download all pages as a file, whose name says what it is.
reply = get("/v1/pledges.csv", donor="NOR", at_least=answer["position"])
rows = csv.DictReader(io.TextIOWrapper(reply, "utf-8", newline=""))
print(reply.headers.get_filename(), "begins with", ",".join(rows.fieldnames[:3]))

# React to a problem.
try:
    get("/v1/pledges", doner="NOR")
except urllib.error.HTTPError as error:
    problem = json.load(error)
    print(f"{problem['code']}: {problem['remedy']}")
