#!/bin/sh
# Uses REST with curl: sh curl.sh http://127.0.0.1:8080
set -eu
url=$1

# member prints a member of a JSON object.
member() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# Submit a command. With its Idempotency-Key it can be sent again whenever the answer was lost.
submit() {
	curl -s "$url/v1/commands" -H 'Content-Type: application/json' -H 'Idempotency-Key: 0190d000-0000-7000-8000-0000000000e1' -d '{
		"donor": "NOR", "beneficiary": "UKR", "effective": "2024-09-02", "actor": "treasury",
		"commit_pledge": {"title": "Radar", "commitments": [{"firmness": "firm", "line": {"category": "MIL.AIRDEF", "instrument": "grant",
			"values": [{"basis": "donor_stated", "asset": "EUR/2@donor_stated", "amount": "1250000.50"}]}}]}}'
}
position=$(submit | member position)
echo "the second time: $(submit | member outcome)"

# Read balances that hold the command.
curl -s "$url/v1/balances?basis=donor_stated&stages=committed&donor=NOR&asset=EUR/2@donor_stated&at_least=$position" |
	python3 -c 'import json, sys
for row in json.load(sys.stdin)["rows"]: print(row["stage"], row["amount"], row["asset"])'

# Page through the pledges.
count=0 pages=0 cursor=
while page=$(curl -s "$url/v1/pledges?limit=50&at_least=$position${cursor:+&cursor=$cursor}"); do
	pages=$((pages + 1))
	count=$((count + $(echo "$page" | member pledges | grep -o "'stream':" | wc -l)))
	cursor=$(echo "$page" | member next)
	[ -n "$cursor" ] || break
done
echo "$count pledges on $pages pages"

# Download all pages as a file, under the name that says what it is.
curl -sOJ "$url/v1/pledges.csv?donor=NOR&at_least=$position"
for file in pledges-*.csv; do echo "$file begins with $(head -n 1 "$file" | cut -d, -f1-3)"; done

# React to a problem.
problem=$(curl -s "$url/v1/pledges?doner=NOR")
echo "$(echo "$problem" | member code): $(echo "$problem" | member remedy)"
