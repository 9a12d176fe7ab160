// One category, or a group of categories: how far support in it came, from whom, what it was, and by which pledges.
import { link, place, subject, view } from "../lib/router.ts";
import { useTitle } from "../lib/title.ts";
import { categoryTitle, terms } from "../lib/words.ts";
import { FilterBar } from "../parts/FilterBar.tsx";
import { Measured } from "../parts/Measured.tsx";
import { SeenBanner } from "../parts/Permalink.tsx";
import { Unnarrowed } from "../parts/Unnarrowed.tsx";
import { ByCategory } from "./lists/ByCategory.tsx";
import { Items } from "./lists/Items.tsx";
import { Pledges } from "./lists/Pledges.tsx";
import { Stages } from "./lists/Stages.tsx";
import { Donors } from "./overview/Donors.tsx";
import { Ladder } from "./overview/Ladder.tsx";
import type { CategoryTerm } from "../lib/types.ts";

export function Category() {
  const [, code] = subject(place.value.pathname);
  useTitle(categoryTitle(code));
  const v = view.value;
  const all = terms.value?.categories;
  if (all && !all.some((c) => c.code === code)) {
    return <UnknownCategory code={code} />;
  }
  const below = all?.filter((c) => c.code.startsWith(`${code}.`)) ?? [];
  return (
    <>
      <Above code={code} />
      <h1>
        {categoryTitle(code)} {categoryTitle(code) !== code && <span class="code">{code}</span>}
      </h1>
      {below.length > 0 && <Below code={code} below={below} />}
      <SeenBanner />
      <FilterBar without={["category"]} />
      <Measured height={height}>
        {(m) => (
          <>
            <Ladder measure={m} />
            <Stages measure={m} who="the donors" />
            {below.length > 0 && <ByCategory measure={m} title="What is in it" depth={code.split(".").length + 1} />}
            <Donors measure={m} />
            {code.split(".")[0] === "MIL" && <Items />}
            <section class="part" aria-labelledby="pledges-title">
              <h2 id="pledges-title">Pledges with a line in it</h2>
              <Unnarrowed />
              <Pledges
                measure={m}
                params={{ category: code, donor: v.donor, group: v.group }}
                donors
                empty={<p>No pledge with a line of {categoryTitle(code)} is recorded. That is not zero: nobody reported one.</p>}
              />
            </section>
          </>
        )}
      </Measured>
    </>
  );
}

const height = 2800;

function Above({ code }: { code: string }) {
  const parts = code.split(".");
  return (
    <nav class="crumbs" aria-label="Above this category">
      <a href={link("/")}>All support</a>
      {parts.slice(0, -1).map((_, i) => {
        const above = parts.slice(0, i + 1).join(".");
        return (
          <a key={above} href={link(`/category/${above}`, { category: "" })}>
            {categoryTitle(above)}
          </a>
        );
      })}
    </nav>
  );
}

function Below({ code, below }: { code: string; below: CategoryTerm[] }) {
  const depth = code.split(".").length + 1;
  return (
    <nav class="ways" aria-label="Below this category">
      {below
        .filter((c) => c.code.split(".").length === depth)
        .map((c) => (
          <a key={c.code} href={link(`/category/${c.code}`, { category: "" })}>
            {c.title}
          </a>
        ))}
    </nav>
  );
}

function UnknownCategory({ code }: { code: string }) {
  return (
    <section class="note">
      <h1>No category has the code {code}</h1>
      <p>
        The ledger's categories, such as MIL.AIRDEF, stand in the filter of <a href={link("/")}>the overview</a>, and are in{" "}
        <a href={link("/category/MIL")}>military support</a>, <a href={link("/category/FIN")}>financial support</a>,{" "}
        <a href={link("/category/HUM")}>humanitarian support</a> and <a href={link("/category/REC")}>reconstruction</a>.
      </p>
    </section>
  );
}
