/*
 * Messages of the Resource Manager.
 * Source: gunyah-resource-manager include/rm-rpc.h; Linux series v17, drivers/virt/gunyah/rsc_mgr.c
 */
#include "host.h"

enum { API = 0x21, CONTINUATION = 0, REQUEST = 1, REPLY = 2, NOTIFICATION = 3 };
enum { MSGQUEUE_SEND = 0x1b, MSGQUEUE_RECEIVE = 0x1c, MSGQUEUE_EMPTY = 60 };
enum { MESSAGE_SIZE = 240, HEADER = 8, MAX_WAITING = 8, TRIES = 100000 };

struct message {
  u8 api;
  u8 type;
  u16 sequence;
  u32 id;
  u8 payload[MESSAGE_SIZE - HEADER];
};

u8 reply[4096];
u32 reply_size;

/* The message in assembly. */
static struct {
  u8 type;
  u16 sequence;
  u32 id;
  u32 size;
  u32 missing;
  u8 bytes[4096];
} incoming;

static struct {
  u32 id;
  u32 size;
  u8 payload[64];
} notifications[MAX_WAITING];
static u32 waiting;
static u16 sequence = 100;

/* One fragment. Returns whether a message is complete. */
static int receive(void)
{
  static struct message m;
  u64 error = hypercall(MSGQUEUE_RECEIVE, 3, board.rx, (u64)&m, sizeof m, 0, 0, 0, 0);
  if (error == MSGQUEUE_EMPTY) return 0;
  check("msgqueue_receive", error, 0);
  check("the header's first byte", m.api, API);
  u32 size = (u32)result[0] - HEADER;
  if ((m.type & 3) != CONTINUATION) {
    incoming.type = m.type & 3;
    incoming.sequence = m.sequence;
    incoming.id = m.id;
    incoming.size = 0;
    incoming.missing = m.type >> 2;
  } else
    incoming.missing--;
  if (incoming.size + size > sizeof incoming.bytes) fail("a message is too long");
  copy(incoming.bytes + incoming.size, m.payload, size);
  incoming.size += size;
  if (incoming.missing > 0) return 0;
  if (incoming.type == NOTIFICATION && waiting < MAX_WAITING) {
    notifications[waiting].id = incoming.id;
    notifications[waiting].size = incoming.size;
    copy(notifications[waiting++].payload, incoming.bytes, incoming.size < 64 ? incoming.size : 64);
  }
  return 1;
}

u32 rm_call(u32 id, const void *payload, u32 size)
{
  static struct message m;
  m.api = API;
  m.type = REQUEST;
  m.sequence = ++sequence;
  m.id = id;
  copy(m.payload, payload, size);
  check("msgqueue_send", hypercall(MSGQUEUE_SEND, 2, board.tx, HEADER + size, (u64)&m, 1, 0, 0, 0), 0);
  for (u32 i = 0; i < TRIES; i++) {
    if (!receive() || incoming.type != REPLY || incoming.sequence != sequence) continue;
    check("the reply's message id", incoming.id, id);
    reply_size = incoming.size - 4;
    copy(reply, incoming.bytes + 4, reply_size);
    u32 error;
    copy(&error, incoming.bytes, 4);
    return error;
  }
  fail("no reply of the Resource Manager");
}

const u8 *rm_notification(u32 id)
{
  static u8 payload[64];
  for (u32 i = 0; i < TRIES; i++) {
    for (u32 n = 0; n < waiting; n++) {
      if (notifications[n].id != id) continue;
      copy(payload, notifications[n].payload, sizeof payload);
      for (waiting--; n < waiting; n++) copy(&notifications[n], &notifications[n + 1], sizeof notifications[0]);
      return payload;
    }
    receive();
  }
  fail("no notification of the Resource Manager");
}
