// Patterns are laid over colours, so that kinds are told apart without them.
import type { Kind } from "../lib/kinds.ts";

export function Patterns({ prefix }: { prefix: string }) {
  const box = { width: 6, height: 6, patternUnits: "userSpaceOnUse" };
  return (
    <defs>
      <pattern id={`${prefix}-1`} {...box} patternTransform="rotate(45)">
        <rect width="1.6" height="6" class="over" />
      </pattern>
      <pattern id={`${prefix}-2`} {...box}>
        <circle cx="3" cy="3" r="1.2" class="over" />
      </pattern>
      <pattern id={`${prefix}-3`} {...box}>
        <rect width="6" height="1.4" class="over" />
      </pattern>
    </defs>
  );
}

interface SwatchProps {
  kind: Kind;
  prefix: string;
  x?: number;
  y?: number;
  width: number;
  height: number;
}

// Swatch is a rectangle of a kind.
export function Swatch({ kind, prefix, ...box }: SwatchProps) {
  return (
    <>
      <rect {...box} style={{ fill: `var(${kind.colour})` }} />
      {kind.pattern > 0 && <rect {...box} fill={`url(#${prefix}-${kind.pattern})`} />}
    </>
  );
}

export function Legend({ kinds, prefix, title }: { kinds: Iterable<Kind>; prefix: string; title: (code: string) => string }) {
  return (
    <ul class="legend">
      {[...kinds].map((k) => (
        <li key={k.code}>
          <svg width="22" height="12" aria-hidden="true">
            <Swatch kind={k} prefix={prefix} width={22} height={12} />
          </svg>
          {title(k.code)}
        </li>
      ))}
    </ul>
  );
}
