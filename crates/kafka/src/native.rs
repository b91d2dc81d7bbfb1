//! What rdkafka does not wrap: reading in batches, the ids of topics, what a user may do, the membership of a group.
//!
//! The only file with `unsafe`. It knows pointers and their lifetimes and nothing of what is read.

#![expect(
    unsafe_code,
    reason = "librdkafka's batch queue, descriptions of topics and groups, and the parts of group metadata have no safe wrapper"
)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;
use rdkafka::bindings as sys;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sys::rd_kafka_resp_err_t as Response;

use crate::context::Consumer;

/// A native object and the function that ends it.
struct Native<T> {
    object: NonNull<T>,
    destroy: unsafe extern "C" fn(*mut T),
}

impl<T> Native<T> {
    /// Takes what librdkafka made; none where it made nothing.
    ///
    /// # Safety
    /// `object` is null, or is nobody else's and may be given to `destroy` once.
    unsafe fn new(object: *mut T, destroy: unsafe extern "C" fn(*mut T)) -> Option<Self> {
        NonNull::new(object).map(|object| Self { object, destroy })
    }

    fn ptr(&self) -> *mut T {
        self.object.as_ptr()
    }
}

impl<T> Drop for Native<T> {
    fn drop(&mut self) {
        // SAFETY: `new` demands that the object is ours and that this ends it; it runs once.
        unsafe { (self.destroy)(self.ptr()) }
    }
}

/// The queue that every partition's own queue is forwarded to, and the batch last taken from it.
///
/// The batch call must not be used on the consumer's own queue: there it swallows rebalances.
pub(crate) struct BatchQueue {
    batch: Vec<*mut sys::rd_kafka_message_t>,
    // Declared before the consumer, so dropped before it: a queue may not outlive its client.
    queue: Native<sys::rd_kafka_queue_t>,
    consumer: Arc<Consumer>,
    capacity: usize,
}

// SAFETY: librdkafka's objects are bound to no thread; all access is through `&mut` or to messages that
// only this value holds.
unsafe impl Send for BatchQueue {}

impl BatchQueue {
    /// A queue of `consumer`'s that gives at most `capacity` messages at a time.
    pub(crate) fn new(consumer: Arc<Consumer>, capacity: usize) -> Self {
        let client = consumer.client().native_ptr();
        // SAFETY: the client lives as long as `consumer`, which the queue keeps; the queue is new and
        // ours.
        let queue =
            unsafe { Native::new(sys::rd_kafka_queue_new(client), sys::rd_kafka_queue_destroy) }
                .expect("a queue needs memory only");
        Self {
            batch: Vec::with_capacity(capacity),
            queue,
            consumer,
            capacity,
        }
    }

    /// Lets the messages of a partition come through this queue. To be called before every time that the
    /// partition is assigned.
    pub(crate) fn forward(&self, topic: &str, partition: i32) -> Result<(), KafkaError> {
        let topic = CString::new(topic)?;
        let client = self.consumer.client().native_ptr();
        // SAFETY: the client lives; the topic is a C string for the length of the call; the returned
        // reference to the partition's queue is ours to destroy.
        let own = unsafe {
            Native::new(
                sys::rd_kafka_queue_get_partition(client, topic.as_ptr(), partition),
                sys::rd_kafka_queue_destroy,
            )
        }
        .ok_or(KafkaError::Subscription("unknown partition".into()))?;
        // SAFETY: both queues are of the same client and alive; librdkafka counts the references.
        unsafe { sys::rd_kafka_queue_forward(own.ptr(), self.queue.ptr()) };
        Ok(())
    }

    /// Throws the last batch away and takes the next: whatever is there once the first message has come, or
    /// nothing after `wait`. Returns how many messages it holds.
    pub(crate) fn fetch(&mut self, wait: Duration) -> usize {
        self.clear();
        // librdkafka waits until the array is full or the time is over. So it waits for one message only.
        if self.fetch_more(1, millis(wait)) == 1 {
            self.fetch_more(self.capacity - 1, 0);
        }
        self.batch.len()
    }

    fn fetch_more(&mut self, most: usize, wait_millis: i32) -> usize {
        let held = self.batch.len();
        debug_assert!(held + most <= self.batch.capacity());
        // SAFETY: the queue is alive; the vector has room for `most` pointers behind those it holds.
        let taken = unsafe {
            sys::rd_kafka_consume_batch_queue(
                self.queue.ptr(),
                wait_millis,
                self.batch.as_mut_ptr().add(held),
                most,
            )
        };
        // It returns -1 for a bad argument only.
        let taken = usize::try_from(taken).unwrap_or(0);
        // SAFETY: that many pointers have been written behind the former end.
        unsafe { self.batch.set_len(held + taken) };
        taken
    }

    /// How many messages the last batch holds.
    pub(crate) fn len(&self) -> usize {
        self.batch.len()
    }

    /// A message of the last batch, in the order of arrival.
    pub(crate) fn message(&self, index: usize) -> Message<'_> {
        // SAFETY: the pointers of the batch are valid until they are destroyed in `clear`, which needs
        // `&mut self` and so ends the borrow.
        Message(unsafe { &*self.batch[index] })
    }

    fn clear(&mut self) {
        for message in self.batch.drain(..) {
            // SAFETY: each came from the queue, is ours and leaves the vector here.
            unsafe { sys::rd_kafka_message_destroy(message) }
        }
    }
}

impl Drop for BatchQueue {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A record, the end of a partition, or an error of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a>(&'a sys::rd_kafka_message_t);

impl<'a> Message<'a> {
    /// What is wrong, or that the partition ends here; none for a record.
    pub(crate) fn error(self) -> Option<RDKafkaErrorCode> {
        (self.0.err != Response::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| self.0.err.into())
    }

    /// What librdkafka says of the error.
    pub(crate) fn error_text(self) -> String {
        // SAFETY: the message is alive; the text is static or lives with it and is copied here.
        let text = unsafe { sys::rd_kafka_message_errstr(self.0) };
        // SAFETY: as above: a C string, or null for a record.
        unsafe { text_of(text) }
    }

    /// The name of its topic; empty for an error of no topic.
    pub(crate) fn topic(self) -> &'a str {
        if self.0.rkt.is_null() {
            return "";
        }
        // SAFETY: the topic is alive and its name unchanged for as long as the message.
        let name = unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(self.0.rkt)) };
        name.to_str().unwrap_or_default()
    }

    /// Its partition; below zero for an error of none.
    pub(crate) fn partition(self) -> i32 {
        self.0.partition
    }

    /// Whether both are of the same partition of the same topic.
    pub(crate) fn is_beside(self, other: Self) -> bool {
        self.0.partition == other.0.partition && ptr::eq(self.0.rkt, other.0.rkt)
    }

    /// Its offset; of the end of a partition, where reading goes on.
    pub(crate) fn offset(self) -> i64 {
        self.0.offset
    }

    /// The value; none for a tombstone.
    pub(crate) fn payload(self) -> Option<&'a [u8]> {
        // SAFETY: librdkafka gives the bytes of this message, which live as long as it.
        unsafe { bytes_of(self.0.payload, self.0.len) }
    }

    /// The key.
    pub(crate) fn key(self) -> Option<&'a [u8]> {
        // SAFETY: as for the payload.
        unsafe { bytes_of(self.0.key, self.0.key_len) }
    }

    /// The producer's or the broker's time, as the topic has it.
    pub(crate) fn timestamp(self) -> Option<Timestamp> {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive, the kind is written to.
        let millis = unsafe { sys::rd_kafka_message_timestamp(self.0, &raw mut kind) };
        (kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE)
            .then(|| Timestamp::from_millis(millis))
    }

    /// The value of the last header of that name.
    pub(crate) fn header(self, name: &CStr) -> Option<&'a [u8]> {
        let mut headers = ptr::null_mut();
        // SAFETY: the message is alive and only this thread parses its headers (the queue is not `Sync`);
        // they live as long as it.
        let found = unsafe { sys::rd_kafka_message_headers(self.0, &raw mut headers) };
        if found != Response::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        let (mut value, mut len) = (ptr::null::<c_void>(), 0);
        // SAFETY: the headers were just given; the name is a C string; both results are written to.
        let found = unsafe {
            sys::rd_kafka_header_get_last(headers, name.as_ptr(), &raw mut value, &raw mut len)
        };
        if found != Response::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        // SAFETY: the value's bytes live as long as the message.
        unsafe { bytes_of(value, len) }
    }
}

/// # Safety
/// `data` is null or points to `len` bytes that do not change for `'a`.
unsafe fn bytes_of<'a>(data: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: as demanded of the caller, and not null.
    (!data.is_null()).then(|| unsafe { slice::from_raw_parts(data.cast(), len) })
}

/// # Safety
/// `text` is null or a C string.
unsafe fn text_of(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as demanded of the caller.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}

/// What the group knows its member by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Grows with every rebalance; below 0 outside of the group.
    pub(crate) generation: i32,
    /// Given by the coordinator; empty outside of the group.
    pub(crate) id: String,
}

/// The membership of a consumer as it is now.
pub(crate) fn member(consumer: &Consumer) -> Member {
    let client = consumer.client().native_ptr();
    // SAFETY: the client lives; the metadata is a copy and ours.
    let metadata = unsafe {
        Native::new(
            sys::rd_kafka_consumer_group_metadata(client),
            sys::rd_kafka_consumer_group_metadata_destroy,
        )
    };
    let Some(metadata) = metadata else {
        return Member {
            generation: -1,
            id: String::new(),
        };
    };
    // SAFETY: the metadata is alive; the id is a C string of its own and is copied.
    unsafe {
        Member {
            generation: sys::rd_kafka_consumer_group_metadata_generation_id(metadata.ptr()),
            id: text_of(sys::rd_kafka_consumer_group_metadata_member_id(
                metadata.ptr(),
            )),
        }
    }
}

/// Why librdkafka has given a client up, if it has.
pub(crate) fn fatal(consumer: &Consumer) -> Option<(RDKafkaErrorCode, String)> {
    let client = consumer.client().native_ptr();
    let mut text = [0; 512];
    // SAFETY: the client lives; the text is written within its length, with its end.
    unsafe {
        let code = sys::rd_kafka_fatal_error(client, text.as_mut_ptr(), text.len());
        (code != Response::RD_KAFKA_RESP_ERR_NO_ERROR)
            .then(|| (code.into(), text_of(text.as_ptr())))
    }
}

/// The broker's ids of topics, in the order asked for; one that has none (brokers before 2.8) is an error.
pub(crate) fn topic_ids(
    consumer: &Consumer,
    topics: &[&str],
    within: Duration,
) -> Result<Vec<[u8; 16]>, RDKafkaErrorCode> {
    let event = describe_topics(consumer, topics, false, within)?;
    // SAFETY: the event is alive and is the answer to DescribeTopics, or the result is null.
    let result = unsafe { sys::rd_kafka_event_DescribeTopics_result(event.ptr()) };
    if result.is_null() {
        return Err(RDKafkaErrorCode::Fail);
    }
    let mut count = 0;
    // SAFETY: the result is alive; the count is written to.
    let found = unsafe { sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count) };
    let mut ids = vec![None; topics.len()];
    for index in 0..count {
        // SAFETY: the array has `count` descriptions, which live as long as the event.
        let (name, error, id) = unsafe {
            let description = *found.add(index);
            (
                text_of(sys::rd_kafka_TopicDescription_name(description)),
                sys::rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(description)),
                sys::rd_kafka_TopicDescription_topic_id(description),
            )
        };
        if error != Response::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(error.into());
        }
        // SAFETY: the id lives as long as the event.
        let halves = unsafe {
            [
                sys::rd_kafka_Uuid_most_significant_bits(id),
                sys::rd_kafka_Uuid_least_significant_bits(id),
            ]
        };
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&halves[0].to_be_bytes());
        bytes[8..].copy_from_slice(&halves[1].to_be_bytes());
        if bytes == [0; 16] {
            return Err(RDKafkaErrorCode::UnsupportedFeature);
        }
        for (place, _) in topics
            .iter()
            .enumerate()
            .filter(|(_, asked)| **asked == name)
        {
            ids[place] = Some(bytes);
        }
    }
    let missing = RDKafkaErrorCode::UnknownTopicOrPartition;
    ids.into_iter().map(|id| id.ok_or(missing)).collect()
}

/// What a user may do on a topic or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rights {
    /// Read, which on a group is to be a member and to commit.
    pub(crate) read: bool,
    /// Write.
    pub(crate) write: bool,
}

/// What this client's user may do on a topic; none where the brokers do not tell.
pub(crate) fn topic_rights(
    consumer: &Consumer,
    topic: &str,
    within: Duration,
) -> Result<Option<Rights>, RDKafkaErrorCode> {
    let event = describe_topics(consumer, &[topic], true, within)?;
    let mut count = 0;
    // SAFETY: the event is alive and is the answer to DescribeTopics, or the result is null; the descriptions and
    // their operations live as long as it; each count is written to.
    unsafe {
        let result = sys::rd_kafka_event_DescribeTopics_result(event.ptr());
        if result.is_null() {
            return Err(RDKafkaErrorCode::Fail);
        }
        let found = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if count == 0 {
            return Ok(None);
        }
        let description = *found;
        let error = sys::rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(description));
        if error != Response::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(error.into());
        }
        let operations =
            sys::rd_kafka_TopicDescription_authorized_operations(description, &raw mut count);
        Ok(rights_of(operations, count))
    }
}

/// What this client's user may do on a group; none where the brokers do not tell.
pub(crate) fn group_rights(
    consumer: &Consumer,
    group: &str,
    within: Duration,
) -> Result<Option<Rights>, RDKafkaErrorCode> {
    let client = consumer.client().native_ptr();
    let name = CString::new(group).map_err(|_| RDKafkaErrorCode::InvalidGroupId)?;
    let mut names = [name.as_ptr()];
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
    let event = ask(consumer, operation, true, within, |options, queue| {
        // SAFETY: the client lives; the one name is a C string and is copied.
        unsafe {
            sys::rd_kafka_DescribeConsumerGroups(client, names.as_mut_ptr(), 1, options, queue);
        }
    })?;
    let mut count = 0;
    // SAFETY: as for topics, and the event is the answer to DescribeConsumerGroups.
    unsafe {
        let result = sys::rd_kafka_event_DescribeConsumerGroups_result(event.ptr());
        if result.is_null() {
            return Err(RDKafkaErrorCode::Fail);
        }
        let found = sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count);
        if count == 0 {
            return Ok(None);
        }
        let description = *found;
        let error =
            sys::rd_kafka_error_code(sys::rd_kafka_ConsumerGroupDescription_error(description));
        if error != Response::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(error.into());
        }
        let operations = sys::rd_kafka_ConsumerGroupDescription_authorized_operations(
            description,
            &raw mut count,
        );
        Ok(rights_of(operations, count))
    }
}

/// # Safety
/// `operations` is null or points to `count` of them.
unsafe fn rights_of(
    operations: *const sys::rd_kafka_AclOperation_t,
    count: usize,
) -> Option<Rights> {
    if operations.is_null() {
        return None;
    }
    // SAFETY: as demanded of the caller, and not null.
    let operations = unsafe { slice::from_raw_parts(operations, count) };
    let may = |operation| operations.contains(&operation);
    Some(Rights {
        read: may(sys::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_READ),
        write: may(sys::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_WRITE),
    })
}

/// Asks for descriptions of topics, with what the user may do there if asked to, and waits for the answer.
fn describe_topics(
    consumer: &Consumer,
    topics: &[&str],
    with_rights: bool,
    within: Duration,
) -> Result<Native<sys::rd_kafka_event_t>, RDKafkaErrorCode> {
    let client = consumer.client().native_ptr();
    let names: Result<Vec<CString>, _> = topics.iter().map(|name| CString::new(*name)).collect();
    let names = names.map_err(|_| RDKafkaErrorCode::InvalidTopic)?;
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: the names are C strings and are copied; the object is new and ours.
    let collection = unsafe {
        Native::new(
            sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()),
            sys::rd_kafka_TopicCollection_destroy,
        )
    }
    .ok_or(RDKafkaErrorCode::CriticalSystemResource)?;
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    ask(
        consumer,
        operation,
        with_rights,
        within,
        |options, queue| {
            // SAFETY: the client and the collection live.
            unsafe { sys::rd_kafka_DescribeTopics(client, collection.ptr(), options, queue) };
        },
    )
}

/// Sends a request, which `send` is to do with these options and to that queue, and waits for the answer.
fn ask(
    consumer: &Consumer,
    operation: sys::rd_kafka_admin_op_t,
    with_rights: bool,
    within: Duration,
    send: impl FnOnce(*mut sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
) -> Result<Native<sys::rd_kafka_event_t>, RDKafkaErrorCode> {
    let client = consumer.client().native_ptr();
    let no_memory = RDKafkaErrorCode::CriticalSystemResource;
    // SAFETY: the client lives; each object is new and ours.
    let (options, queue) = unsafe {
        (
            Native::new(
                sys::rd_kafka_AdminOptions_new(client, operation),
                sys::rd_kafka_AdminOptions_destroy,
            )
            .ok_or(no_memory)?,
            Native::new(sys::rd_kafka_queue_new(client), sys::rd_kafka_queue_destroy)
                .ok_or(no_memory)?,
        )
    };
    // SAFETY: the options are alive; no error text is asked for, and an error in its place is ours.
    let refused = unsafe {
        sys::rd_kafka_AdminOptions_set_request_timeout(
            options.ptr(),
            millis(within),
            ptr::null_mut(),
            0,
        );
        Native::new(
            sys::rd_kafka_AdminOptions_set_include_authorized_operations(
                options.ptr(),
                with_rights.into(),
            ),
            sys::rd_kafka_error_destroy,
        )
    };
    if refused.is_some() {
        return Err(RDKafkaErrorCode::InvalidArgument);
    }
    send(options.ptr(), queue.ptr());
    // SAFETY: the queue is alive. The answer is one event, within the time set; a request without an answer is
    // answered by librdkafka itself.
    let event = unsafe {
        Native::new(
            sys::rd_kafka_queue_poll(queue.ptr(), millis(within)),
            sys::rd_kafka_event_destroy,
        )
    }
    .ok_or(RDKafkaErrorCode::OperationTimedOut)?;
    // SAFETY: the event is alive.
    let error = unsafe { sys::rd_kafka_event_error(event.ptr()) };
    if error == Response::RD_KAFKA_RESP_ERR_NO_ERROR {
        Ok(event)
    } else {
        Err(error.into())
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
