/**
 * The records of the room protocol as JSDoc types (docs/protocol.md is the source).
 * Times ending in `_ms` are Unix milliseconds on the server's clock; `Room.now()` reads that clock.
 *
 * @typedef {'host'|'guest'|'viewer'|'staff'} Role
 * @typedef {'camera'|'microphone'|'screen'|'screen_audio'} SourceName
 * @typedef {'scheduled'|'live'|'host_lost'|'ended'} ShowPhase
 * @typedef {'connecting'|'joined'|'reconnecting'|'closed'} ConnectionState
 *
 * @typedef {object} You
 * @property {string} subject Pseudonym of this person within the shop.
 * @property {string} name
 * @property {Role} role
 * @property {string[]} grants What this person may do; a button without its grant stays hidden.
 *
 * @typedef {object} Show
 * @property {string} show_id Empty while the room never had a show.
 * @property {ShowPhase} phase
 * @property {string} title
 * @property {number|null} started_ms
 * @property {number|null} lost_until_ms While `host_lost`: when the show ends unless the host returns.
 * @property {number|null} ended_ms
 *
 * @typedef {object} Seat
 * @property {number} seat 0 is the host's.
 * @property {string} subject
 * @property {string} name
 * @property {Role} role
 * @property {SourceName[]} sources What is being published now.
 * @property {SourceName[]} muted What staff muted for everybody.
 * @property {number|null} reconnecting_until_ms
 * @property {number} taken_ms
 *
 * @typedef {object} MicRequest
 * @property {string} subject
 * @property {string} name
 * @property {'audio'|'video'} media
 * @property {number} requested_ms
 *
 * @typedef {object} Invite
 * @property {string} subject
 * @property {string} name
 * @property {string} by
 * @property {number} seat
 * @property {number} invited_ms
 * @property {number} expires_ms
 *
 * @typedef {object} Stage
 * @property {number} seats_total
 * @property {Seat[]} seats Taken seats only.
 * @property {MicRequest[]} requests All for host and staff, one's own for others.
 * @property {Invite[]} invites All for host and staff, one's own for others.
 *
 * @typedef {object} Question
 * @property {string} question_id
 * @property {string} subject
 * @property {string} name
 * @property {string} text
 * @property {number} asked_ms
 * @property {'open'|'answered'|'dismissed'|'expired'} phase
 * @property {string|null} product_id
 * @property {number|null} answered_ms
 * @property {string|null} answered_by
 * @property {string|null} answer Null when it was answered live.
 * @property {number} count People who ask it, each once.
 * @property {string[]} askers Names of the first few of them; empty while there is but one.
 * @property {'asked'|'detected'} source By the ask button, or found in the chat.
 * @property {string|null} intent
 * @property {string[]} reasons Why a chat message was taken for a question.
 * @property {string|null} claimed_by Who is answering it now.
 * @property {number|null} claimed_ms
 * @property {boolean} mine You asked it, first or later.
 *
 * @typedef {object} Product
 * @property {string} sku
 * @property {string} title
 * @property {number} price_minor In the smallest unit of `currency`.
 * @property {string} currency ISO 4217.
 * @property {string} [picture_url] Missing: no picture.
 * @property {string} [link] Where it is bought.
 *
 * @typedef {object} Shelf
 * @property {Product[]} products All for host and staff, those that were pinned for others.
 * @property {string|null} pinned The sku whose card is on every page.
 *
 * @typedef {object} ChatMessage
 * @property {string} message_id
 * @property {string} subject
 * @property {string} name
 * @property {Role} role
 * @property {string} text
 * @property {number} at_ms
 *
 * @typedef {object} Profile
 * @property {string} subject
 * @property {number|null} first_seen_ms
 * @property {number|null} seen_ms
 * @property {number} visits
 * @property {number} dwell_ms
 * @property {number} messages
 * @property {number} questions_asked
 * @property {number} questions_answered
 * @property {number} response_ms_total
 * @property {number} mic_requests
 * @property {number} seats_taken
 * @property {number} seat_ms
 * @property {number} likes
 * @property {number} product_clicks
 * @property {number} orders Paid and not wholly refunded.
 * @property {number} paid_minor What they brought, in minor units.
 * @property {number|null} last_paid_ms
 *
 * @typedef {object} SlotMap
 * @property {string} mid
 * @property {number} generation
 * @property {string|null} track_id
 * @property {number|null} seat
 * @property {string|null} subject
 * @property {SourceName|null} source
 *
 * @typedef {object} SeatSignal How well a seat's media arrives at the server.
 * @property {number} seat
 * @property {number} bars 0 (silent) to 4 (good).
 * @property {number} loss_pm Packets of 1000, before repair.
 * @property {number} kbps
 * @property {number} [rtt_ms]
 *
 * @typedef {{type: string, [key: string]: any}} Message One message of the protocol.
 *
 * @typedef {object} Batch One server frame.
 * @property {Message[]} messages
 * @property {string} [log] Position in the room log after this frame.
 * @property {string} [chat] Position in the chat stream after this frame.
 */

export {};
