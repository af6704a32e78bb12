//! The functions and structures of `krb5.h`, `gssapi.h`, `gssapi_ext.h` and `gssapi_krb5.h` that are used, as MIT
//! Kerberos has them since 1.18.

use std::ffi::{c_char, c_int, c_uint, c_void};

use libloading::Library;

/// A handle that only the library looks into.
pub(super) type Handle = *mut c_void;
/// `krb5_error_code`.
pub(super) type Code = i32;
/// `OM_uint32`.
pub(super) type Word = u32;

/// Makes a struct of function pointers, and the function that finds them all by their names.
macro_rules! calls {
    ($(#[$about:meta])* $table:ident { $($name:ident: fn($($argument:ty),* $(,)?) $(-> $result:ty)?;)* }) => {
        $(#[$about])*
        pub(super) struct $table {
            $(pub(super) $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl $table {
            /// Finds every function, or names the one that is missing.
            pub(super) fn find(library: &'static Library) -> Result<Self, String> {
                $(
                    // SAFETY: the library's header declares the function with this signature.
                    let $name = unsafe {
                        library.get::<unsafe extern "C" fn($($argument),*) $(-> $result)?>(
                            concat!(stringify!($name), "\0").as_bytes(),
                        )
                    };
                    let $name = *$name.map_err(|_| concat!("it has no ", stringify!($name)))?;
                )*
                Ok(Self { $($name,)* })
            }
        }
    };
}

calls! {
    /// `libkrb5`.
    Krb5Calls {
        krb5_init_context: fn(*mut Handle) -> Code;
        krb5_free_context: fn(Handle);
        krb5_get_error_message: fn(Handle, Code) -> *const c_char;
        krb5_free_error_message: fn(Handle, *const c_char);
        krb5_free_string: fn(Handle, *mut c_char);
        krb5_timeofday: fn(Handle, *mut u32) -> Code;
        krb5_parse_name: fn(Handle, *const c_char, *mut *mut PrincipalData) -> Code;
        krb5_unparse_name: fn(Handle, *const PrincipalData, *mut *mut c_char) -> Code;
        krb5_free_unparsed_name: fn(Handle, *mut c_char);
        krb5_copy_principal: fn(Handle, *const PrincipalData, *mut *mut PrincipalData) -> Code;
        krb5_free_principal: fn(Handle, *mut PrincipalData);
        krb5_set_principal_realm: fn(Handle, *mut PrincipalData, *const c_char) -> Code;
        krb5_sname_to_principal:
            fn(Handle, *const c_char, *const c_char, i32, *mut *mut PrincipalData) -> Code;
        krb5_cc_default: fn(Handle, *mut Handle) -> Code;
        krb5_cc_resolve: fn(Handle, *const c_char, *mut Handle) -> Code;
        krb5_cc_cache_match: fn(Handle, *mut PrincipalData, *mut Handle) -> Code;
        krb5_cc_new_unique: fn(Handle, *const c_char, *const c_char, *mut Handle) -> Code;
        krb5_cc_get_full_name: fn(Handle, Handle, *mut *mut c_char) -> Code;
        krb5_cc_get_principal: fn(Handle, Handle, *mut *mut PrincipalData) -> Code;
        krb5_cc_initialize: fn(Handle, Handle, *mut PrincipalData) -> Code;
        krb5_cc_copy_creds: fn(Handle, Handle, Handle) -> Code;
        krb5_cc_start_seq_get: fn(Handle, Handle, *mut Handle) -> Code;
        krb5_cc_next_cred: fn(Handle, Handle, *mut Handle, *mut Creds) -> Code;
        krb5_cc_end_seq_get: fn(Handle, Handle, *mut Handle) -> Code;
        krb5_cc_close: fn(Handle, Handle) -> Code;
        krb5_cc_destroy: fn(Handle, Handle) -> Code;
        krb5_free_cred_contents: fn(Handle, *mut Creds);
        krb5_free_creds: fn(Handle, *mut Creds);
        krb5_get_init_creds_opt_alloc: fn(Handle, *mut Handle) -> Code;
        krb5_get_init_creds_opt_free: fn(Handle, Handle);
        krb5_get_init_creds_opt_set_forwardable: fn(Handle, c_int);
        krb5_get_init_creds_opt_set_out_ccache: fn(Handle, Handle, Handle) -> Code;
        krb5_get_init_creds_password: fn(
            Handle, *mut Creds, *mut PrincipalData, *const c_char, Handle, Handle, i32, *const c_char, Handle,
        ) -> Code;
        krb5_get_init_creds_keytab:
            fn(Handle, *mut Creds, *mut PrincipalData, Handle, i32, *const c_char, Handle) -> Code;
        krb5_get_credentials: fn(Handle, i32, Handle, *mut Creds, *mut *mut Creds) -> Code;
        krb5_decode_ticket: fn(*const Data, *mut *mut Ticket) -> Code;
        krb5_free_ticket: fn(Handle, *mut Ticket);
        krb5_kt_resolve: fn(Handle, *const c_char, *mut Handle) -> Code;
        krb5_kt_start_seq_get: fn(Handle, Handle, *mut Handle) -> Code;
        krb5_kt_next_entry: fn(Handle, Handle, *mut KeytabEntry, *mut Handle) -> Code;
        krb5_kt_end_seq_get: fn(Handle, Handle, *mut Handle) -> Code;
        krb5_free_keytab_entry_contents: fn(Handle, *mut KeytabEntry) -> Code;
        krb5_kt_close: fn(Handle, Handle) -> Code;
    }
}

calls! {
    /// `libgssapi_krb5`.
    GssCalls {
        gss_import_name: fn(*mut Word, *const Buffer, *const OidDesc, *mut Handle) -> Word;
        gss_display_name: fn(*mut Word, Handle, *mut Buffer, *mut *mut OidDesc) -> Word;
        gss_release_name: fn(*mut Word, *mut Handle) -> Word;
        gss_acquire_cred_from: fn(
            *mut Word, Handle, Word, *const OidSet, c_int, *const KeyValueSet, *mut Handle, *mut Handle, *mut Word,
        ) -> Word;
        gss_release_cred: fn(*mut Word, *mut Handle) -> Word;
        gss_init_sec_context: fn(
            *mut Word, Handle, *mut Handle, Handle, *const OidDesc, Word, Word, *const Bindings, *const Buffer,
            *mut *mut OidDesc, *mut Buffer, *mut Word, *mut Word,
        ) -> Word;
        gss_accept_sec_context: fn(
            *mut Word, *mut Handle, Handle, *const Buffer, *const Bindings, *mut Handle, *mut *mut OidDesc,
            *mut Buffer, *mut Word, *mut Word, *mut Handle,
        ) -> Word;
        gss_delete_sec_context: fn(*mut Word, *mut Handle, *mut Buffer) -> Word;
        gss_display_status: fn(*mut Word, Word, c_int, *const OidDesc, *mut Word, *mut Buffer) -> Word;
        gss_release_buffer: fn(*mut Word, *mut Buffer) -> Word;
        gss_krb5_copy_ccache: fn(*mut Word, Handle, Handle) -> Word;
        gss_krb5_export_lucid_sec_context: fn(*mut Word, *mut Handle, Word, *mut *mut Lucid) -> Word;
        gss_krb5_free_lucid_sec_context: fn(*mut Word, *mut Lucid) -> Word;
    }
}

/// `krb5_data`.
#[repr(C)]
pub(super) struct Data {
    pub(super) magic: i32,
    pub(super) length: c_uint,
    pub(super) data: *mut u8,
}

/// `krb5_principal_data`.
#[repr(C)]
pub(super) struct PrincipalData {
    pub(super) magic: i32,
    pub(super) realm: Data,
    pub(super) data: *mut Data,
    pub(super) length: i32,
    pub(super) kind: i32,
}

/// `krb5_keyblock`; `krb5_address` and `krb5_authdata` have the same members.
#[repr(C)]
pub(super) struct Typed {
    pub(super) magic: i32,
    pub(super) kind: i32,
    pub(super) length: c_uint,
    pub(super) contents: *mut u8,
}

/// `krb5_creds`.
#[repr(C)]
pub(super) struct Creds {
    pub(super) magic: i32,
    pub(super) client: *mut PrincipalData,
    pub(super) server: *mut PrincipalData,
    pub(super) key: Typed,
    /// `krb5_ticket_times`: authtime, starttime, endtime, renew_till; seconds since 1970, without a sign.
    pub(super) times: [u32; 4],
    pub(super) is_skey: c_uint,
    pub(super) flags: i32,
    pub(super) addresses: *mut *mut Typed,
    pub(super) ticket: Data,
    pub(super) second_ticket: Data,
    pub(super) authdata: *mut *mut Typed,
}

/// `krb5_ticket`, whose further members are left to the library.
#[repr(C)]
pub(super) struct Ticket {
    pub(super) magic: i32,
    pub(super) server: *mut PrincipalData,
}

/// `krb5_keytab_entry`.
#[repr(C)]
pub(super) struct KeytabEntry {
    pub(super) magic: i32,
    pub(super) principal: *mut PrincipalData,
    pub(super) timestamp: u32,
    pub(super) version: c_uint,
    pub(super) key: Typed,
}

/// `gss_buffer_desc`.
#[repr(C)]
pub(super) struct Buffer {
    pub(super) length: usize,
    pub(super) value: *mut c_void,
}

/// `gss_OID_desc`.
#[repr(C)]
pub(super) struct OidDesc {
    pub(super) length: Word,
    pub(super) elements: *mut c_void,
}

/// `gss_OID_set_desc`.
#[repr(C)]
pub(super) struct OidSet {
    pub(super) count: usize,
    pub(super) elements: *mut OidDesc,
}

/// `gss_channel_bindings_struct`.
#[repr(C)]
pub(super) struct Bindings {
    pub(super) initiator_kind: Word,
    pub(super) initiator: Buffer,
    pub(super) acceptor_kind: Word,
    pub(super) acceptor: Buffer,
    pub(super) application: Buffer,
}

/// `gss_key_value_element_desc`.
#[repr(C)]
pub(super) struct KeyValue {
    pub(super) key: *const c_char,
    pub(super) value: *const c_char,
}

/// `gss_key_value_set_desc`.
#[repr(C)]
pub(super) struct KeyValueSet {
    pub(super) count: Word,
    pub(super) elements: *mut KeyValue,
}

/// `gss_krb5_lucid_key_t`.
#[repr(C)]
pub(super) struct LucidKey {
    pub(super) kind: Word,
    pub(super) length: Word,
    pub(super) data: *mut u8,
}

/// `gss_krb5_rfc1964_keydata_t`.
#[repr(C)]
pub(super) struct LucidOld {
    pub(super) sign_algorithm: Word,
    pub(super) seal_algorithm: Word,
    pub(super) key: LucidKey,
}

/// `gss_krb5_cfx_keydata_t`.
#[repr(C)]
pub(super) struct LucidCfx {
    pub(super) has_acceptor_subkey: Word,
    pub(super) key: LucidKey,
    pub(super) acceptor_subkey: LucidKey,
}

/// `gss_krb5_lucid_context_v1_t`.
#[repr(C)]
pub(super) struct Lucid {
    pub(super) version: Word,
    pub(super) initiate: Word,
    pub(super) end_time: Word,
    pub(super) send_sequence: u64,
    pub(super) receive_sequence: u64,
    /// 0: RFC 1964, and `old` counts; 1: RFC 4121, and `cfx` counts.
    pub(super) protocol: Word,
    pub(super) old: LucidOld,
    pub(super) cfx: LucidCfx,
}
