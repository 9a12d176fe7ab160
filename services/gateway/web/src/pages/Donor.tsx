// One donor: how far its support came, in what, by which pledges, and what somebody must look at.
import { candidates, type Measure } from "../lib/measure.ts";
import { printDate } from "../lib/print.ts";
import { link, place, subject, view } from "../lib/router.ts";
import { useTitle } from "../lib/title.ts";
import { donorTitle, terms } from "../lib/words.ts";
import { FilterBar } from "../parts/FilterBar.tsx";
import { Measured } from "../parts/Measured.tsx";
import { SeenBanner } from "../parts/Permalink.tsx";
import { Unnarrowed } from "../parts/Unnarrowed.tsx";
import { ByCategory } from "./lists/ByCategory.tsx";
import { Exceptions } from "./lists/Exceptions.tsx";
import { Pledges } from "./lists/Pledges.tsx";
import { Stages } from "./lists/Stages.tsx";
import { Ladder } from "./overview/Ladder.tsx";
import { OverTime } from "./overview/OverTime.tsx";

export function Donor() {
  const [, code] = subject(place.value.pathname);
  useTitle(donorTitle(code));
  const known = terms.value?.donors.find((d) => d.code === code);
  if (terms.value && !known) {
    return <UnknownDonor code={code} />;
  }
  const none = candidates.value?.length === 0;
  return (
    <>
      <h1>
        {donorTitle(code)} {donorTitle(code) !== code && <span class="code">{code}</span>}
      </h1>
      <Membership code={code} />
      <SeenBanner />
      <FilterBar without={["donor", "group", "stage"]} />
      <Measured height={height}>
        {(m) => (
          <>
            {none ? <NothingRecorded code={code} /> : <Figures code={code} measure={m} />}
            <section class="part" aria-labelledby="pledges-title">
              <h2 id="pledges-title">Pledges</h2>
              <Unnarrowed />
              <Pledges
                measure={m}
                params={{ donor: code, category: view.value.category }}
                donors={false}
                empty={<p>No such pledge of {donorTitle(code)} is recorded. That is not zero: nobody reported one.</p>}
              />
            </section>
            <section class="part" aria-labelledby="exceptions-title">
              <h2 id="exceptions-title">To look at</h2>
              <Unnarrowed />
              <Exceptions
                params={{ donor: code, category: view.value.category }}
                empty={<p>No exception of {donorTitle(code)} is open.</p>}
              />
            </section>
          </>
        )}
      </Measured>
    </>
  );
}

const height = 2400;

function Figures({ code, measure: m }: { code: string; measure: Measure }) {
  return (
    <>
      <Ladder measure={m} />
      <Stages measure={m} who={donorTitle(code)} />
      <ByCategory measure={m} title="By category" />
      <OverTime measure={m} />
    </>
  );
}

// Membership names the groups of states that a donor is in on the day that the terms tell of.
function Membership({ code }: { code: string }) {
  const t = terms.value;
  if (!t) {
    return null;
  }
  const groups = t.groups.filter((g) => g.members.includes(code));
  const institution = t.donors.find((d) => d.code === code)?.institution;
  return (
    <p class="under">
      {institution ? (
        "An institution, and as such a member of no group of states."
      ) : groups.length === 0 ? (
        `Member of none of the groups that the ledger knows, on ${printDate(t.on)}.`
      ) : (
        <>
          Member of{" "}
          {groups.map((g, i) => (
            <>
              {i > 0 && (i === groups.length - 1 ? " and " : ", ")}
              <a href={link("/", { donor: "", group: g.code })} title={g.title}>
                {g.code}
              </a>
            </>
          ))}{" "}
          on {printDate(t.on)}.
        </>
      )}
    </p>
  );
}

function NothingRecorded({ code }: { code: string }) {
  return (
    <section class="note">
      <h2>No amount of {donorTitle(code)} is recorded</h2>
      <p>
        That is not zero. It says that no source of this ledger reported an amount by {donorTitle(code)}, not that it gave nothing. Pledges
        of undisclosed value, where there are any, stand below.
      </p>
    </section>
  );
}

function UnknownDonor({ code }: { code: string }) {
  return (
    <section class="note">
      <h1>No donor has the code {code}</h1>
      <p>
        States have codes of three capital letters, such as POL; institutions have theirs, such as EU-INST. Choose a donor on{" "}
        <a href={link("/")}>the overview</a>.
      </p>
    </section>
  );
}
