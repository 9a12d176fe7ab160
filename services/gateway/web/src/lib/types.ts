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
