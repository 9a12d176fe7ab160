// The parts of which events are made, as /v1/events writes them: fields that are not set are not there.
import { printDate } from "./print.ts";
import type { LoggedEvent, Source, StatedDate } from "./types.ts";

export interface Valuation {
  basis: string;
  status?: string;
  asset?: string;
  amount?: string;
  source?: string;
  basis_date?: StatedDate;
}

export interface Flag {
  code: string;
  note?: string;
}

export interface Line {
  line: string;
  title?: string;
  category?: string;
  instrument?: string;
  values?: Valuation[];
  mapping?: Mapping;
  earmark?: string;
  fiscal_year?: string;
  flags?: Flag[];
  sources?: Source[];
}

// DrawnLine is a line of a shipment or payment.
export interface DrawnLine {
  draw: string;
  pledge: string;
  allocation?: string;
  asset?: string;
  amount?: string;
  category?: string;
  instrument?: string;
}

export interface Mapping {
  mapping?: string;
  version?: string;
  as_found?: string;
}

export interface Commitment {
  line: Line;
  firmness?: string;
  splits?: Split[];
  covers?: Split[];
}

export interface Item {
  name?: string;
  category?: string;
  quantity_status?: string;
  quantity_asset?: string;
  quantity?: string;
  unit_prices?: Valuation[];
  values?: Valuation[];
  flags?: Flag[];
  sources?: Source[];
}

export interface Split {
  asset: string;
  reliefs?: { line: string; stage: string; amount: string }[];
  rest?: string;
  rest_to?: string;
}

export interface Movement {
  draw: string;
  pledge?: string;
  amount?: string;
  split?: Split;
  stated?: { asset: string; amount: string }[];
  serials?: string[];
}

// Names knows the lines and draws that the events of a stream speak of by their ids.
export interface Names {
  line: (id: string) => string | undefined;
  // The asset in which a draw is counted.
  drawn: (id: string) => string | undefined;
  revision: (eventId: string) => string | undefined;
  // Revisions of the events that correct one.
  correctedBy: (eventId: string) => string[];
}

export function namesOf(events: readonly LoggedEvent[], titleOf: (line: Line) => string): Names {
  const lines = new Map<string, string>();
  const drawn = new Map<string, string>();
  const revisions = new Map<string, string>();
  const correcting = new Map<string, string[]>();
  for (const e of events) {
    revisions.set(e.event_id, e.revision);
    for (const id of e.envelope?.corrects ?? []) {
      correcting.set(id, [...(correcting.get(id) ?? []), e.revision]);
    }
    for (const found of linesOf(e.event ?? {})) {
      if ("draw" in found) {
        drawn.set(found.draw, found.asset ?? "");
      } else {
        lines.set(found.line, titleOf({ ...found, title: found.title || String(e.event?.title ?? "") }));
      }
    }
  }
  return {
    line: (id) => lines.get(id),
    drawn: (id) => drawn.get(id),
    revision: (id) => revisions.get(id),
    correctedBy: (id) => correcting.get(id) ?? [],
  };
}

function linesOf(event: Record<string, unknown>): (Line | DrawnLine)[] {
  const found: unknown[] = [
    event.line,
    event.contingent,
    ...list(event.lines),
    ...list(event.commitments).map((c) => (c as Commitment).line),
  ];
  if (typeof event.draw === "string" && typeof event.asset === "string") {
    found.push(event);
  }
  return found.filter((l): l is Line | DrawnLine => typeof l === "object" && l !== null);
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

const meanings: Record<string, string> = {
  PledgeAnnounced: "An indicative promise. It enters no total of support.",
  PledgeCommitted: "The donor promises the beneficiary an amount.",
  PledgeAllocated: "A part of what is committed is given to one package.",
  TrancheScheduled: "A part falls due, or is promised for a threat level.",
  TrancheRescheduled: "A part falls due on another day.",
  TrancheActivated: "What was promised for a threat level is now committed.",
  TrancheExpired: "What was promised or due is no longer.",
  DrawReserved: "A shipment or payment reserves a part of an allocation, so that nothing is used twice.",
  DrawReleased: "What was reserved and not used goes back.",
  DrawSettled: "A shipment or payment has used up what it reserved.",
  PledgeReduced: "Less is promised than before.",
  RemainderCancelled: "All that is committed or allocated and not reserved is cancelled.",
  PledgeFulfilled: "The pledge is closed: all of it was used.",
  PledgeLapsed: "The promise ran out.",
  PledgeLinked: "Two pledges belong together; linked pledges count once.",
  LineReclassified: "A line is of another category or instrument than was recorded.",
  LineRevalued: "A line is worth more or less than was recorded.",
  DeliveryClaimed: "Somebody says that it arrived, and nobody signed for it.",
  ShipmentPlanned: "A shipment is planned with what it will carry.",
  ShipmentDispatched: "The shipment left the donor.",
  ShipmentArrived: "The shipment came to a place.",
  ShipmentHandedOver: "The shipment was received, or somebody claims that it was.",
  ShipmentVerified: "What arrived was checked.",
  ShipmentDiscrepancy: "What came is not what was sent.",
  ShipmentFound: "What was missing is found.",
  ShipmentLost: "What was dispatched is gone for good.",
  ShipmentReturned: "What was dispatched came back.",
  ShipmentReversed: "A fact of this shipment was recorded in error, and is taken back.",
  ShipmentRevalued: "What the shipment carries is worth more or less than was recorded.",
  ShipmentClosed: "The shipment is over; what it did not use goes back.",
  PaymentInstructed: "A payment is ordered.",
  PaymentAccepted: "The bank took the instruction. Accepted is not booked.",
  PaymentRejected: "The bank refused the instruction.",
  PaymentBooked: "A bank booked the payment.",
  PaymentReturned: "Money came back.",
  PaymentReversed: "A fact of this payment was recorded in error, and is taken back.",
  LoanInterestDue: "Interest on a loan falls due.",
  LoanInterestPaid: "Interest on a loan was paid.",
  LoanRepaid: "A part of a loan was repaid.",
  LoanForgiven: "A part of a loan is forgiven.",
  ImportCompleted: "An import of a release is complete; these are its control totals.",
};

// factTypes are the last parts of the names of stored types.
export const factTypes = Object.keys(meanings);

export function factMeaning(type: string): string {
  return meanings[type.slice(type.lastIndexOf(".") + 1)] ?? "";
}

const headingMax = 90;

// isHeading tells titles from the paragraphs that some sources give as such.
export function isHeading(title: string): boolean {
  return title !== "" && title.length <= headingMax;
}

// dateSaid prints a date of an event, and the source's own words for it.
export function dateSaid(date: StatedDate): string {
  return typeof date === "string"
    ? printDate(date)
    : `${printDate(date.date ?? "unknown")}${date.as_stated ? ` (as the source puts it: “${date.as_stated}”)` : ""}`;
}

// outside is the address of a source where it is one that a browser may go to; everything else is text.
export function outside(url: string): string | undefined {
  try {
    const { protocol, href } = new URL(url.trim());
    return protocol === "https:" || protocol === "http:" ? href : undefined;
  } catch {
    return undefined;
  }
}
