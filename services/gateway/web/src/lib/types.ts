// The messages of allied.api.v1 that the pages read, as their JSON is: whole numbers of 64 bits and amounts are text, a field that may be
// missing is not known, never zero.

export interface BalancesResponse {
  position: string;
  ordinal: string;
  basis: string;
  unknown: string;
  left_out: LeftOut[];
  rows: SumRow[];
  not_reported: string[];
  members: string[];
  group_on: string;
}

export interface TimelineResponse extends BalancesResponse {
  // What happened on a day that nobody knows: part of no row.
  undated: SumRow[];
}

// SumRow is a BalanceRow or a TimelineRow. Of the dimensions only those asked for are set.
export interface SumRow {
  month?: string;
  donor?: string;
  beneficiary?: string;
  category?: string;
  instrument?: string;
  evidence?: string;
  stage: string;
  asset?: string;
  amount?: string;
  unknown: string;
}

export interface AssetsResponse {
  position: string;
  ordinal: string;
  assets: AssetUse[];
}

// AssetUse is an asset, with how many donors have commitments in it, and how many have anything.
export interface AssetUse {
  asset: string;
  basis: string;
  committed: number;
  donors: number;
}

export interface LeftOut {
  instrument: string;
  stage: string;
  asset?: string;
  amount?: string;
  unknown: string;
}

export interface JournalResponse {
  position: string;
  ordinal: string;
  events: JournalEvent[];
  next: string;
}

export interface JournalEvent {
  position: string;
  ordinal: string;
  stream: string;
  revision: string;
  event_id: string;
  type: string;
  recorded_at: string;
  effective: string;
  donor: string;
  beneficiary: string;
  title: string;
  categories: string[];
  amounts: { asset: string; amount: string }[];
  unknown: string;
  actor: string;
  reason: string;
  corrects: string[];
  flags: string[];
}

export interface TermsResponse {
  donors: DonorTerm[];
  groups: GroupTerm[];
  categories: CategoryTerm[];
  stages: string[];
  instruments: string[];
  bases: string[];
  on: string;
}

export interface DonorTerm {
  code: string;
  title: string;
  institution: boolean;
  alpha2: string;
}

export interface GroupTerm {
  code: string;
  title: string;
  members: string[];
  source: string;
}

export interface CategoryTerm {
  code: string;
  title: string;
  group: boolean;
}

export interface HeadResponse {
  log_id: string;
  position: string;
  events: string;
}

// What every page of a list has. The cursor `next` is empty on the last.
export interface ListPage {
  position: string;
  ordinal: string;
  next: string;
}

export interface PledgesResponse extends ListPage {
  total: string;
  pledges: Pledge[];
}

export interface Pledge {
  stream: string;
  donor: string;
  beneficiary: string;
  title: string;
  status: string;
  first?: string;
  last?: string;
  events: string;
  unknown: string;
  flags: string[];
  references: PledgeReference[];
  ladder: PledgeRung[];
  over: PledgeExcess[];
  beside: PledgeExcess[];
  undisclosed: PledgeUndisclosed[];
  not_reported: string[];
}

export interface PledgeResponse extends Pledge {
  position: string;
  ordinal: string;
  lines: PledgeLine[];
}

export interface PledgeReference {
  publisher: string;
  release: string;
  external_id: string;
}

export interface PledgeRung {
  stage: string;
  asset: string;
  reached: string;
  standing: string;
}

export interface PledgeExcess {
  account: string;
  asset: string;
  amount: string;
}

export interface PledgeUndisclosed {
  stage: string;
  basis: string;
  count: string;
}

export interface PledgeLine {
  line: string;
  entered: string;
  title: string;
  category: string;
  instrument: string;
  control_asset: string;
  firmness: string;
  effective: string;
  flags: string[];
  ladder: PledgeRung[];
  over: PledgeExcess[];
  beside: PledgeExcess[];
  undisclosed: PledgeUndisclosed[];
  not_reported: string[];
}

export interface ShipmentsResponse extends ListPage {
  total: string;
  shipments: Shipment[];
}

export interface Shipment {
  stream: string;
  donor: string;
  beneficiary: string;
  title: string;
  status: string;
  first?: string;
  last?: string;
  events: string;
  dispatched_from: string;
  arrived_at: string;
  handed_over_at: string;
  point: string;
  evidence: string;
  signatory: string;
  verifier: string;
  manifest_hash?: string;
  discrepancy_count: number;
  line_count: number;
  rungs: ShipmentRung[];
}

export interface ShipmentRung {
  stage: string;
  asset: string;
  reached?: string;
  standing?: string;
  over?: string;
  lines: number;
}

export interface PaymentsResponse extends ListPage {
  total: string;
  payments: Payment[];
}

export interface Payment {
  stream: string;
  donor: string;
  beneficiary: string;
  status: string;
  accepted: boolean;
  first?: string;
  last?: string;
  events: string;
  pledge: string;
  category: string;
  instrument: string;
  asset: string;
  drawn: string;
  instructed: string;
  instructed_standing: string;
  booked: string;
  booked_standing: string;
  charges: string;
  returned: string;
  returned_open: string;
  booked_as?: AssetAmount;
  point: string;
  bank_reference: string;
  debtor?: Party;
  creditor?: Party;
  end_to_end_id: string;
  uetr: string;
}

export interface AssetAmount {
  asset: string;
  amount: string;
}

export interface Party {
  name: string;
  account: string;
  agent: string;
}

export interface ExceptionsResponse extends ListPage {
  total: string;
  summary: { kind: string; open: string; resolved: string; without_amount: string; amounts: AssetAmount[] }[];
  exceptions: Exception[];
}

export interface Exception {
  id: string;
  kind: string;
  status: string;
  cause: string;
  stream: string;
  pledge: string;
  line: string;
  draw: string;
  donor: string;
  beneficiary: string;
  category: string;
  asset?: string;
  amount?: string;
  open_amount?: string;
  event: string;
  ordinal: string;
  recorded: string;
  effective?: string;
  resolved_ordinal?: string;
  detail: string;
}

export interface EntriesResponse extends ListPage {
  total: string;
  sums: { asset?: string; amount?: string; unknown: string }[];
  entries: LedgerEntry[];
}

export interface LedgerEntry {
  position: string;
  ordinal: string;
  stream: string;
  revision: string;
  event_id: string;
  type: string;
  recorded_at: string;
  effective: string;
  month?: string;
  donor: string;
  beneficiary: string;
  category: string;
  instrument: string;
  stage: string;
  evidence?: string;
  asset?: string;
  amount?: string;
  // -1 where an undisclosed value was told or taken back.
  unknown: string;
  pledge: string;
  side: string;
  leg: string;
  title: string;
}

export interface EventsResponse {
  log_id: string;
  position: string;
  end: boolean;
  events: LoggedEvent[];
}

export interface LoggedEvent {
  position: string;
  ordinal: string;
  stream: string;
  revision: string;
  event_id: string;
  type: string;
  recorded_at: string;
  envelope?: Envelope;
  // What it says, by the names of the schema.
  event?: Record<string, unknown>;
  error: string;
}

// StatedDate is a date in an event: with the words of its source where those say it otherwise.
export type StatedDate = string | { date?: string; as_stated?: string };

// Fields that are not set are not there.
export interface Envelope {
  kind: string;
  donor?: string;
  beneficiary?: string;
  effective?: StatedDate;
  actor?: string;
  actor_claim?: string;
  authority?: string;
  authority_claim?: string;
  command_id?: string;
  correlation_id?: string;
  causation_id?: string;
  sources?: Source[];
  reason?: string;
  corrects?: string[];
  marking?: string;
  observed?: boolean;
  override?: { authority?: string; reason?: string };
  flags?: { code: string; note?: string }[];
}

export interface Source {
  publisher?: string;
  release?: string;
  external_id?: string;
  url?: string;
  content_hash?: string;
  locator?: string;
}
