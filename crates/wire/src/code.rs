//! The sixteen error codes that the three protocols share.

use std::fmt;

use http::StatusCode;

/// Why a call failed. Success has no code: a call that succeeded ends with `Ok`.
///
/// Numbers are gRPC's (`grpc-status`), names are Connect's (`"code"` of the error JSON).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum Code {
    Canceled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    /// All codes, by number.
    pub const ALL: [Self; 16] = [
        Self::Canceled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The code of a `grpc-status` number; 0 (success) and numbers above 16 have none.
    pub fn from_number(number: u32) -> Option<Self> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        Self::ALL.get(index).copied()
    }

    /// The `grpc-status` number, 1 to 16.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The `grpc-status` value.
    pub fn digits(self) -> &'static str {
        const DIGITS: [&str; 16] =
            ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"];
        DIGITS[usize::from(self.number() - 1)]
    }

    /// The name in Connect's error JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Canceled => "canceled",
            Self::Unknown => "unknown",
            Self::InvalidArgument => "invalid_argument",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::PermissionDenied => "permission_denied",
            Self::ResourceExhausted => "resource_exhausted",
            Self::FailedPrecondition => "failed_precondition",
            Self::Aborted => "aborted",
            Self::OutOfRange => "out_of_range",
            Self::Unimplemented => "unimplemented",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::DataLoss => "data_loss",
            Self::Unauthenticated => "unauthenticated",
        }
    }

    /// The code of a name in Connect's error JSON.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == name)
    }

    /// The HTTP status of a Connect unary error (Connect protocol, "Error Codes").
    pub fn http_status(self) -> StatusCode {
        let status = match self {
            // 499 is not registered, but the specification asks for it.
            Self::Canceled => 499,
            Self::Unknown | Self::Internal | Self::DataLoss => 500,
            Self::InvalidArgument | Self::FailedPrecondition | Self::OutOfRange => 400,
            Self::DeadlineExceeded => 504,
            Self::NotFound => 404,
            Self::AlreadyExists | Self::Aborted => 409,
            Self::PermissionDenied => 403,
            Self::ResourceExhausted => 429,
            Self::Unimplemented => 501,
            Self::Unavailable => 503,
            Self::Unauthenticated => 401,
        };
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The code of a response that carries an HTTP status and no code of its own (Connect protocol, "HTTP to Error
    /// Code"; gRPC, `http-grpc-status-mapping.md`: the same table).
    pub fn from_http_status(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }

    /// The code of a stream that the peer reset with this HTTP/2 error code (gRPC, PROTOCOL-HTTP2, "Errors").
    pub fn from_http2_reset(reason: u32) -> Self {
        match reason {
            0x7 => Self::Unavailable,
            0x8 => Self::Canceled,
            0xb => Self::ResourceExhausted,
            0xc => Self::PermissionDenied,
            _ => Self::Internal,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_go_both_ways() {
        for code in Code::ALL {
            assert_eq!(Code::from_number(u32::from(code.number())), Some(code));
            assert_eq!(Code::from_name(code.name()), Some(code));
            assert_eq!(code.digits(), code.number().to_string());
        }
        for number in [0, 17, u32::MAX] {
            assert_eq!(Code::from_number(number), None);
        }
    }

    #[test]
    fn connect_http_statuses_are_the_specifications() {
        let expected = [499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];
        for (code, status) in Code::ALL.into_iter().zip(expected) {
            assert_eq!(code.http_status().as_u16(), status, "{code}");
        }
    }
}
